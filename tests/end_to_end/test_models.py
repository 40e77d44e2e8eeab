"""The models on logs with known answers: a cohort of buyers, emails to all, subscriptions."""

import itertools
import json
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pytest

from tests.support.deployment import NO_TESTS, Deployment, shared_data
from tideline.summary import models
from tideline.warehouse.connection import open_warehouse

COHORT = {
    "churn_horizon_days": 90,
    "churn_absence_of": ["purchase"],
    "churn_population_days": 3650,
}
SCORED = [
    "data_clock", "last_removal", "feature_spine", "profile_features", "model_declarations",
    "training_examples", "model_requirements", "model_parameters", "model_versions",
    "model_metrics", "profile_scores",
]  # fmt: skip


@pytest.fixture(scope="module")
def cdnow(shared_deployment):
    log = shared_data("cdnow", "CDNOW_master.txt")
    shared_deployment.land(log, "--mapping", "examples/mappings/cdnow.yml")
    words = ["build", *NO_TESTS, "--select", "+profile_scores", "model_metrics"]
    shared_deployment.dbt(*words, variables=json.dumps(COHORT))
    return shared_deployment


def rescore(deployment, **variables):
    """Build everything that depends on the data clock again."""
    variables = json.dumps(COHORT | variables)
    deployment.dbt("build", *NO_TESTS, "--select", *SCORED, variables=variables)


def newest(deployment):
    """The row and the metrics of the newest version of the churn model, as a dict."""
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
    """The models in the summary."""
    with open_warehouse(deployment.env) as warehouse:
        return "\n".join(models(warehouse))


@pytest.mark.parametrize(
    ("as_of", "auc", "brier", "baseline", "baseline_auc"),
    [
        ("1998-04-01", 0.807, 0.105, "active_days_ever", 0.794),
        (None, 0.839, 0.090, "days_since_last_order", 0.828),
    ],
)
def test_churn_of_the_cdnow_customers(cdnow, as_of, auc, brier, baseline, baseline_auc):
    """Two later slices of 90 days, with all 23,570 customers."""
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


def test_a_horizon_that_is_too_long_is_reported_and_scores_nobody(cdnow):
    rescore(cdnow, churn_horizon_days=280)
    assert cdnow.value("select count(*) from profile_scores") == 0
    assert "churn cannot be trained: 561 days of history needed, 545 found" in page(cdnow)


BEGIN, DAYS = datetime(2026, 1, 1), 150


def message(who, at, event):
    at = at.isoformat(timespec="milliseconds") + "Z"
    return {
        "messageId": f"{who}-{event}-{at}",
        "type": "track",
        "event": event,
        "userId": who,
        "originalTimestamp": at,
        "sentAt": at,
        "receivedAt": at,
        "properties": {"plan": "basic", "feature": "next_song", "status": "delivered"},
    }


def subscribers(count=400):
    """A log of a service: people who listen less soon cancel, and then visit rarely."""
    rng = np.random.default_rng(0)
    for number in range(count):
        who, day = f"u{number:03d}", rng.uniform(0, 90)
        ends = day + rng.exponential(60)
        yield message(who, BEGIN + timedelta(days=day), "subscription_start")
        while (day := day + rng.exponential(1.5 if day < ends - 25 else 5)) < min(ends, DAYS):
            yield message(who, BEGIN + timedelta(days=day), "feature_use")
        if ends < DAYS:
            yield message(who, BEGIN + timedelta(days=ends), "subscription_cancel")
    yield message("u000", BEGIN + timedelta(days=DAYS), "feature_use")


def mails(count=400):
    for number in range(count):
        for week in range(1, DAYS // 7):
            at = BEGIN + timedelta(days=7 * week)
            yield message(f"u{number:03d}", at, "email_delivery")


def write(deployment, name, messages):
    lines = "".join(json.dumps(each) + "\n" for each in messages)
    (deployment.landing / "events" / f"{name}.jsonl").write_text(lines)


EXAMPLES = """
    select model_name, profile_id, as_of, label, slice, recency, active_days_30d,
        minutes_since_last_event
    from training_examples order by all
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("service"))
    write(deployment, "service", subscribers())
    words = ["build", *NO_TESTS, "--select", "+training_examples"]
    deployment.dbt(*words)
    return deployment


def test_emails_are_not_activity(service):
    """A weekly email to everybody changes neither the examples nor their labels and features."""
    was = service.query(EXAMPLES)
    rate = service.value("select avg(label) from training_examples where model_name = 'churn'")
    assert 0.1 < rate < 0.9
    write(service, "mails", mails())
    service.dbt("build", *NO_TESTS, "--select", "+training_examples")
    assert service.value("select count(*) from fct_events where event_name = 'email_delivery'")
    assert service.query(EXAMPLES) == was


def test_people_without_a_subscription_are_neither_trained_on_nor_scored(service):
    """Only people active in 30 days without a cancellation are scored; labels are the outcomes."""
    variables = json.dumps({"churn_presence_of": ["subscription_cancel"]})
    service.dbt("build", *NO_TESTS, "--select", *SCORED, variables=variables)
    with duckdb.connect(str(service.warehouse)) as connection:  # so few promote none
        connection.execute(
            "update tideline_internal.model_parameters set value = 0.001 "
            "where term = 'auc_gain_low'"
        )
    again = ["build", *NO_TESTS, "--select", "model_versions", "profile_scores"]
    service.dbt(*again, variables=variables)
    can_leave = service.query(
        """
        select profile_id from profile_timeline group by profile_id
        having count_if(event_name = 'subscription_cancel') = 0 and count_if(
            event_name <> 'email_delivery'
            and occurred_at >= (select as_of from data_clock) - interval 30 days
        ) > 0
        order by 1
        """
    )
    assert 0 < len(can_leave) < service.value("select count(*) from dim_profiles")
    assert service.query("select profile_id from profile_scores order by 1") == can_leave
    wrong = """
        select count(*)
        from training_examples left join (
            select profile_id, occurred_at from profile_timeline
            where event_name = 'subscription_cancel'
        ) as ends using (profile_id)
        where model_name = 'churn' and (
            occurred_at < as_of
            or label <> coalesce((occurred_at < as_of + interval 21 days)::integer, 0)
        )
    """
    assert service.value(wrong) == 0
    assert service.value("select sum(label) from training_examples where slice = 'test'") > 10


def persona_weeks(deployment, weeks):
    """Ids and names of the personas, and their members, as of each week."""
    words = ["build", *NO_TESTS, "--select"]
    again = ["data_clock", "feature_spine", "profile_features", "persona_behaviors",
             "persona_centroids", "profile_personas", "personas"]  # fmt: skip
    for number, as_of in enumerate(weeks):
        models = again if number else ["+personas"]
        deployment.dbt(*words, *models, variables=json.dumps({"as_of": as_of}))
        catalog = deployment.query("select persona_id, persona_name from personas order by 1")
        members = deployment.query("select profile_id, persona_id from profile_personas")
        yield dict(catalog), dict(members)


def test_personas_stay_over_weeks_of_the_sample(deployment):
    deployment.sample("--people", 300, "--days", 90, "--seed", 5)
    end = deployment_end(deployment)
    weeks = [(end - timedelta(days=7 * week)).isoformat() for week in (2, 1, 0)]
    found = list(persona_weeks(deployment, weeks))
    catalogs = [catalog for catalog, _ in found]
    assert len(catalogs[0]) >= 3 and all(catalog == catalogs[0] for catalog in catalogs)
    for (_, was), (_, now) in itertools.pairwise(found):
        both = was.keys() & now.keys()
        assert sum(was[who] != now[who] for who in both) < 0.1 * len(both)


def deployment_end(deployment):
    """The latest day in the landing folder's file names."""
    names = sorted(path.name for path in (deployment.landing / "events").iterdir())
    return datetime.fromisoformat(names[-1].split(".")[0][-10:])


def test_personas_of_another_business_have_no_shop_names(deployment):
    log = shared_data("sparkify_log", "events.json.gz")
    deployment.land(log, "--mapping", "examples/mappings/sparkify_log.yml")
    found = list(persona_weeks(deployment, ["2018-11-24", "2018-12-01"]))
    (was, _), (now, _) = found
    assert len(now) >= 3
    shop = ("buyer", "shopper", "spender", "product", "coupon", "price", "order")
    for name in [*was.values(), *now.values()]:
        assert not any(word in name.lower() for word in shop), name
    assert len(was) == len(now)
