"""Models trained on a wrongly landed log are replaced in the build that removes its rows."""

import json
from datetime import datetime, timedelta

import numpy as np

from tests.support.deployment import NO_TESTS, Deployment

BEGIN, DAYS, PEOPLE = datetime(2026, 1, 1), 70, 240
# In the wrong landing, all events are page views.
NAMES = {"look": "product_view", "seek": "product_search", "use": "feature_use"}
NAMES["mail"] = "page_view"
RIGHT = {"time": "at", "user_id": "who", "event": {"column": "what", "names": NAMES}}
RIGHT |= {"properties": {"product_id": "what", "query": "what", "feature": "what"}}
WRONG = RIGHT | {"event": {"column": "what", "default": "page_view"}}
LEARNED = ["+personas", "+profile_scores"]
CENTROIDS = "select * exclude (persona_id, persona_name, last_removal_at) from persona_centroids"
TERMS = "select * exclude (last_removal_at) from model_parameters"
IN_USE = "last_removal_at = (select removed_at from last_removal)"


def log():
    """Rows of four kinds of people; some of them stop coming."""
    rng = np.random.default_rng(0)
    yield "at,who,what"
    for number in range(PEOPLE):
        kind, last = list(NAMES)[number % 4], rng.choice([30, 45, 60, DAYS])
        for day in range(number % 5, last, rng.integers(2, 7)):
            for minute in range(rng.integers(1, 5) + (number % 4) * 2):
                what = kind if rng.random() < 0.8 else rng.choice(list(NAMES))
                yield f"{BEGIN + timedelta(days=day, minutes=int(minute))},u{number},{what}"
    yield f"{BEGIN + timedelta(days=DAYS)},u0,look"


def land(deployment, *mappings):
    """Land the log with each mapping in turn; build after each."""
    (deployment.folder / "log.csv").write_text("".join(f"{line}\n" for line in log()))
    for mapping in mappings:
        (deployment.folder / "log.yml").write_text(json.dumps(mapping))  # JSON is valid YAML
        words = [deployment.folder / "log.csv", "--mapping", deployment.folder / "log.yml"]
        said = deployment.land(*words)
        deployment.dbt("build", *NO_TESTS, "--select", *LEARNED)
    return said


def learned(deployment):
    """The personas and models in use, without the ids and names kept from earlier versions."""
    return {
        query: sorted(deployment.query(f"{query} where {IN_USE}"), key=repr)
        for query in (CENTROIDS, TERMS)
    }


def test_a_corrected_landing_is_learned_as_in_a_new_warehouse(tmp_path):
    corrected, rebuilt = (Deployment(tmp_path / name) for name in ("corrected", "rebuilt"))
    assert land(corrected, WRONG)
    was = learned(corrected)
    assert land(corrected, RIGHT)
    land(rebuilt, RIGHT)
    count = "select count(*) from personas"
    assert corrected.value(count) == rebuilt.value(count) >= 3
    assert learned(corrected) == learned(rebuilt) != was
    assert all(learned(rebuilt).values())
    # The next build does not train again.
    trained = "select count(*), max(last_removal_at) from persona_centroids"
    before = corrected.query(trained)
    corrected.dbt("build", *NO_TESTS, "--select", *LEARNED)
    assert corrected.query(trained) == before
