"""The models on logs with known answers: a cohort of buyers, a log that is no shop."""

import json
import pytest

from orchestration.activation.warehouse import open_warehouse
from orchestration.summary import models
from tests.conftest import NO_TESTS, shared_data

COHORT = {
    "churn_horizon_days": 90,
    "churn_absence_of": ["purchase"],
    "churn_population_days": 3650,
}
SCORED = [
    "data_clock", "feature_spine", "profile_features", "model_declarations", "training_examples",
    "model_requirements", "model_terms", "model_versions", "model_metrics", "profile_scores",
]  # fmt: skip


@pytest.fixture(scope="module")
def cdnow(shared_deployment):
    log = shared_data("cdnow", "CDNOW_master.txt")
    shared_deployment.land(log, "--mapping", "orchestration/ingestion/mappings/cdnow.yml")
    words = ["build", *NO_TESTS, "--select", "+profile_scores", "model_metrics"]
    shared_deployment.dbt(*words, variables=json.dumps(COHORT))
    return shared_deployment


def rescore(deployment, **variables):
    """Build what follows from the data clock anew."""
    variables = json.dumps(COHORT | variables)
    deployment.dbt("build", *NO_TESTS, "--select", *SCORED, variables=variables)


def newest(deployment):
    """The newest version of the churn model: a dict of its row and its metrics."""
    version, baseline, is_current, judgement = deployment.query(
        """
        select model_version, baseline, is_current, judgement
        from model_versions where model_name = 'churn' and is_newest
        """
    )[0]
    metrics = deployment.query(
        f"select metric, value from model_metrics where model_version = '{version}'"
    )
    return dict(metrics) | {
        "version": version,
        "baseline": baseline,
        "is_current": is_current,
        "judgement": judgement,
    }


def page(deployment):
    """What the summary says of the models."""
    with open_warehouse(deployment.env) as warehouse:
        return "\n".join(models(warehouse))


@pytest.mark.parametrize(
    ("as_of", "auc", "brier", "baseline", "baseline_auc"),
    [
        ("1998-04-01", 0.807, 0.105, "active_days_ever", 0.794),
        (None, 0.839, 0.090, "days_since_last_order", 0.828),
    ],
)
def test_who_of_cdnow_buys_no_more(cdnow, as_of, auc, brier, baseline, baseline_auc):
    """Two later slices of 90 days, over all 23,570 customers."""
    rescore(cdnow, as_of=as_of)
    churn = newest(cdnow)
    assert (churn["n_train"], churn["n_test"]) == (70_710, 23_570)
    assert round(churn["auc"], 3) >= auc
    assert churn["brier"] <= brier
    assert (churn["baseline"], round(churn["baseline_auc"], 3)) == (baseline, baseline_auc)
    assert churn["auc_gain_low"] > 0 and churn["is_current"]
    assert cdnow.query(
        "select model_version, count(*), min(score) >= 0 from profile_scores group by 1"
    ) == [(churn["version"], 23_570, True)]
    mean, base_rate = cdnow.value("select avg(score) from profile_scores"), churn["base_rate"]
    assert abs(mean - base_rate) < 0.05
    assert baseline in page(cdnow) and churn["version"] in page(cdnow)


def test_a_changed_horizon_is_a_new_version_and_the_old_scores_go(cdnow):
    rescore(cdnow)
    was = newest(cdnow)["version"]
    rescore(cdnow, churn_horizon_days=60)
    now = newest(cdnow)["version"]
    assert was != now
    assert cdnow.query("select distinct model_version from profile_scores") == [(now,)]
    is_current = f"select is_current from model_versions where model_version = '{was}'"
    assert cdnow.query(is_current) == [(False,)]


def test_a_horizon_that_is_too_long_is_said_in_numbers_and_scores_nobody(cdnow):
    rescore(cdnow, churn_horizon_days=280)
    assert cdnow.value("select count(*) from profile_scores") == 0
    assert "churn cannot be trained: 561 days of history needed, 545 found" in page(cdnow)


def persona_weeks(deployment, weeks):
    """Ids and names of the personas, and who is in which, as of each week."""
    words = ["build", *NO_TESTS, "--select"]
    again = ["data_clock", "feature_spine", "profile_features", "persona_behaviors",
             "persona_centroids", "profile_personas", "personas"]  # fmt: skip
    for number, as_of in enumerate(weeks):
        models = again if number else ["+personas"]
        deployment.dbt(*words, *models, variables=json.dumps({"as_of": as_of}))
        catalog = deployment.query("select persona_id, persona_name from personas order by 1")
        members = deployment.query("select profile_id, persona_id from profile_personas")
        yield dict(catalog), dict(members)


def test_personas_of_a_log_that_is_no_shop_are_not_named_like_one(deployment):
    log = shared_data("sparkify_log", "events.json.gz")
    deployment.land(log, "--mapping", "orchestration/ingestion/mappings/sparkify_log.yml")
    found = list(persona_weeks(deployment, ["2018-11-24", "2018-12-01"]))
    (was, _), (now, _) = found
    assert len(now) >= 3
    shop = ("buyer", "shopper", "spender", "product", "coupon", "price", "order")
    for name in [*was.values(), *now.values()]:
        assert not any(word in name.lower() for word in shop), name
    assert len(was) == len(now)
