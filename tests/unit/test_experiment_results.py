"""What experiments have shown: by plain Python, by published numbers, and where nothing differs."""

import math
import random
import statistics
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pytest

from tests.support.experiments import MODELS, OUTCOME, START, Experiments
from tideline.declarations.macros import render

pytestmark = pytest.mark.slow  # simulations of many experiments
DAY = timedelta(days=1)
WEEK = 7 * DAY
MOMENT = timedelta(microseconds=1)
PEOPLE = [f"p{number}" for number in range(1000)]
WITH_RESULTS = ("experiments", "experiment_arms", "experiment_results")
COLUMNS = (
    "waiting_people, measured_people, converters, mean, difference, difference_low, "
    "difference_high, lift, verdict"
)


@pytest.fixture
def built(tmp_path):
    """An experiment whose people are exposed at the start."""
    found = Experiments(tmp_path)
    found.declare({})
    found.join(*PEOPLE)
    found.build(START)
    return found


def of_arm(built, arm):
    arms = built.arms()
    return [each for each in PEOPLE if arms[each] == arm]


def result(built, measure="rate", arm="treated", columns=COLUMNS):
    """The columns of a result by name."""
    cursor = built.con.execute(
        f"select {columns} from experiment_results where measure = ? and arm = ?", [measure, arm]
    )
    names = [each[0] for each in cursor.description]
    (row,) = cursor.fetchall()
    return dict(zip(names, row, strict=True))


def errors_of(first, second):
    """How many standard errors the interval reaches."""
    ratio = 0.017 * first * second / (first + second)
    return math.sqrt((1 + 1 / ratio) * (math.log(1 + ratio) + 2 * math.log(1 / 0.05)))


def score_interval(converters, people, errors):
    """The interval of Wilson: the rates whose score test is not beyond `errors`."""

    def is_in(rate):
        share = converters / people
        return abs(share - rate) <= errors * math.sqrt(rate * (1 - rate) / people)

    def edge(inside, outside):
        for _ in range(200):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if is_in(middle) else (inside, middle)
        return inside

    return edge(converters / people, 0.0), edge(converters / people, 1.0)


def square_and_add(treated, held_out, bounds, held_out_bounds):
    """The interval of a difference from those of two means."""
    difference = treated - held_out
    return (
        difference - math.hypot(treated - bounds[0], held_out_bounds[1] - held_out),
        difference + math.hypot(bounds[1] - treated, held_out - held_out_bounds[0]),
    )


def test_results_equal_plain_python(built):
    chance = random.Random(1)
    spent = {each: 0.0 for each in PEOPLE}
    converted = set()
    for arm, rate in (("held_out", 0.1), ("treated", 0.25)):
        for each in of_arm(built, arm):
            for _ in range(2):
                if chance.random() < rate:
                    converted.add(each)
                    price = round(chance.uniform(1, 90), 2)
                    spent[each] += price
                    built.convert([each], START + chance.uniform(0, 6.9) * DAY, price)
    built.build(START + WEEK)
    arms = {arm: of_arm(built, arm) for arm in ("held_out", "treated")}
    sizes = {arm: len(people) for arm, people in arms.items()}
    counts = {arm: len(converted & {*people}) for arm, people in arms.items()}
    errors = errors_of(*sizes.values())

    rates = {arm: counts[arm] / sizes[arm] for arm in arms}
    bounds = {arm: score_interval(counts[arm], sizes[arm], errors) for arm in arms}
    low, high = square_and_add(
        rates["treated"], rates["held_out"], bounds["treated"], bounds["held_out"]
    )
    found = result(built)
    assert found == {
        "waiting_people": 0,
        "measured_people": sizes["treated"],
        "converters": counts["treated"],
        "mean": round(rates["treated"], 6),
        "difference": round(rates["treated"] - rates["held_out"], 6),
        "difference_low": pytest.approx(low, abs=1e-6),
        "difference_high": pytest.approx(high, abs=1e-6),
        "lift": round(rates["treated"] / rates["held_out"] - 1, 6),
        "verdict": "higher",
    }
    assert result(built, arm="held_out") == {
        "waiting_people": 0,
        "measured_people": sizes["held_out"],
        "converters": counts["held_out"],
        "mean": round(rates["held_out"], 6),
    } | dict.fromkeys(["difference", "difference_low", "difference_high", "lift", "verdict"])

    values = {arm: [spent[each] for each in people] for arm, people in arms.items()}
    means = {arm: statistics.fmean(each) for arm, each in values.items()}
    spreads = {arm: statistics.variance(each) for arm, each in values.items()}
    pooled = sum((sizes[arm] - 1) * spreads[arm] for arm in arms) / (len(PEOPLE) - 2)
    error = math.sqrt(sum(max(spreads[arm], pooled) / sizes[arm] for arm in arms))
    difference = means["treated"] - means["held_out"]
    found = result(built, "value")
    assert found["mean"] == pytest.approx(means["treated"], abs=1e-6)
    assert found["difference"] == pytest.approx(difference, abs=1e-6)
    assert found["difference_low"] == pytest.approx(difference - errors * error, abs=1e-6)
    assert found["difference_high"] == pytest.approx(difference + errors * error, abs=1e-6)
    assert found["converters"] == counts["treated"] and found["verdict"] == "higher"


# Newcombe (1998), table II, method 10: 95% at one look.
PUBLISHED = {
    (56, 70, 48, 80): (0.0524, 0.3339),
    (9, 10, 3, 10): (0.1705, 0.8090),
    (10, 10, 0, 20): (0.6791, 1.0),
    (5, 56, 0, 29): (-0.0381, 0.1926),
}


@pytest.mark.parametrize("counts", PUBLISHED, ids=str)
def test_bounds_of_rates_are_those_of_newcombe(counts):
    first, of_first, second, of_second = counts
    columns = {"errors": 1.959964, "pooled_variance": 0, "a": first / of_first, "v": 0}
    columns |= {"n": float(of_first), "b": second / of_second, "m": float(of_second)}
    row = ", ".join(f"{value}::double as {name}" for name, value in columns.items())
    selects = [
        render("bound_of", mean, "v", people, side)
        for mean, people in (("a", "n"), ("b", "m"))
        for side in (-1, 1)
    ]
    with duckdb.connect() as con:
        sql = f"select {', '.join(selects)} from (select 'rate' as measure, {row})"
        low, high, other_low, other_high = con.execute(sql).fetchone()
    found = square_and_add(columns["a"], columns["b"], (low, high), (other_low, other_high))
    assert found == pytest.approx(PUBLISHED[counts], abs=1e-4)


def ever_outside(sizes, means, variances, enough, measure):
    """The share of the simulations in which zero is outside of the interval at any look."""
    columns = [*sizes, *means, *variances]
    names = ("n", "m", "a", "b", "v", "w")
    table = {name: each.ravel() for name, each in zip(names, columns, strict=True)}
    table["simulation"] = np.repeat(np.arange(sizes[0].shape[0]), sizes[0].shape[1])
    table["enough"] = enough.ravel()
    low, high, other_low, other_high = (
        render("bound_of", mean, variance, people, side)
        for mean, variance, people in (("a", "v", "n"), ("b", "w", "m"))
        for side in (-1, 1)
    )
    with duckdb.connect() as con:
        con.register("looks", {name: np.ascontiguousarray(each) for name, each in table.items()})
        return con.execute(
            f"""
            with looks as (
                select *, '{measure}' as measure, {render("standard_errors", "n", "m")} as errors,
                    ((n - 1) * v + (m - 1) * w) / (n + m - 2) as pooled_variance from looks
            ),
            bounds as (
                select *, {low} as low, {high} as high, {other_low} as other_low,
                    {other_high} as other_high from looks
            ),
            found as (
                select simulation, bool_or(enough and (
                    a - b > sqrt(power(a - low, 2) + power(other_high - b, 2))
                    or b - a > sqrt(power(high - a, 2) + power(b - other_low, 2))
                )) as is_outside from bounds group by simulation
            )
            select avg(is_outside::int) from found
            """
        ).fetchone()[0]


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_without_a_difference_few_experiments_ever_show_one(share, rate):
    """At any of 100 looks, in 5% of the experiments; an interval for one look has over 20%."""
    chance = np.random.default_rng(1)
    held_out = chance.binomial(100, share, (1000, 100))
    converted = chance.binomial(100 - held_out, rate).cumsum(1).astype(float)
    others = chance.binomial(held_out, rate).cumsum(1).astype(float)
    people = np.maximum((100 - held_out).cumsum(1), 2).astype(float)
    fewer = np.maximum(held_out.cumsum(1), 2).astype(float)
    enough = (fewer >= 100) & (people >= 100) & (converted + others >= 20)
    none = np.zeros_like(people)
    means = converted / people, others / fewer
    found = ever_outside((people, fewer), means, (none, none), enough, "rate")
    assert 0 < found <= 0.05


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_without_a_difference_values_of_a_skewed_kind_seldom_show_one(share):
    """A few people spend most, so that a small arm has seen too few of them."""
    chance = np.random.default_rng(1)
    simulations, looks, daily = 300, 60, 100
    shape = (simulations, looks * daily)
    value = (chance.random(shape) < 0.05) * chance.lognormal(3, 1.5, shape)
    is_held_out = chance.random(shape) < share
    ends = np.arange(1, looks + 1) * daily - 1

    def moments(chosen):
        people = np.maximum(chosen.cumsum(1)[:, ends], 2).astype(float)
        mean = (value * chosen).cumsum(1)[:, ends] / people
        squares = (value * value * chosen).cumsum(1)[:, ends]
        converters = ((value > 0) & chosen).cumsum(1)[:, ends]
        return people, mean, (squares - people * mean * mean) / (people - 1), converters

    first, second = moments(~is_held_out), moments(is_held_out)
    enough = (second[0] >= 100) & (first[3] >= 10) & (second[3] >= 10)
    found = ever_outside(*zip(first[:3], second[:3], strict=True), enough, "value")
    assert found <= 0.05


def test_only_whole_windows_are_measured(built):
    """Of people who came later, and of events at the edges of a window."""
    late = [f"q{number}" for number in range(200)]
    built.join(*late)
    built.build(START + DAY)
    held_out = of_arm(built, "held_out")
    built.convert(held_out[:1], START)  # the exposure itself
    built.convert(held_out[1:2], START - MOMENT)
    built.convert(held_out[2:3], START + WEEK - MOMENT)
    built.convert(held_out[3:4], START + WEEK)
    built.convert(held_out[4:5] * 2, START + DAY)  # one person, two events
    built.convert(held_out[5:6], START + DAY, event="visit")
    built.convert(late, START + 2 * DAY)
    built.build(START + WEEK - MOMENT)
    assert result(built, arm="held_out", columns="measured_people, converters, mean") == {
        "measured_people": 0,
        "converters": 0,
        "mean": None,
    }
    assert result(built)["verdict"] == "too early"
    built.build(START + WEEK)
    found = result(built, arm="held_out")
    assert (found["measured_people"], found["converters"]) == (len(held_out), 3)
    others = {each for each, arm in built.arms().items() if arm == "held_out"} - {*held_out}
    assert found["waiting_people"] == len(others)
    assert result(built, "value", "held_out", "mean")["mean"] == round(4 / len(held_out), 6)
    built.build(START + WEEK + DAY)
    assert result(built, arm="held_out")["converters"] == 3 + len(others)


def test_an_outcome_reads_its_condition_and_needs_no_value(built):
    keys = {key: OUTCOME[key] for key in ("event", "within")}
    named = {"name": "dear", "where": "price > 5", "least_lift": 0.2}
    built.declare({"outcomes": [OUTCOME, keys | named]})
    built.convert(PEOPLE[:10], START + DAY, price=5)
    built.convert(PEOPLE[5:20], START + DAY, price=6)
    built.convert(PEOPLE[20:21], START + DAY, price="many")
    built.build(START + WEEK)
    assert built.query(
        "select outcome_name, measure, sum(converters), round(sum(mean * measured_people)) "
        "from experiment_results group by all order by all"
    ) == [
        ("borrowed", "rate", 21, 21),
        ("borrowed", "value", 21, 140),
        ("dear", "rate", 15, 15),
    ]


def test_crossed_people_count_where_they_were_exposed_first(built):
    old, new = of_arm(built, "held_out")[0], of_arm(built, "treated")[0]
    before = len(of_arm(built, "held_out"))
    built.con.execute(
        "update experiment_assignments set exposed_at = exposed_at + interval '1 day' "
        "where profile_id = ?", [new],
    )  # fmt: skip
    built.merge(old, new)
    built.convert([new], START + DAY)
    built.build(START + WEEK)
    found = result(built, arm="held_out", columns="exposed_people, crossed_people, converters")
    assert found == {"exposed_people": before, "crossed_people": 1, "converters": 1}
    assert result(built, columns="crossed_people, converters") == {
        "crossed_people": 0,
        "converters": 0,
    }


def test_the_verdict_follows_the_interval(built):
    """From too early over no difference that matters, to the end."""
    held_out, treated = of_arm(built, "held_out"), of_arm(built, "treated")
    built.declare({"outcomes": [OUTCOME | {"least_lift": 1}]})
    built.convert(held_out[:9], START)
    built.convert(treated[:10], START)
    built.build(START + WEEK)
    assert result(built)["verdict"] == "too early"  # 19 converters
    built.convert([*held_out[:200], *treated[:200]], START)
    built.build(START + WEEK)
    assert result(built)["verdict"] == "no difference seen"
    built.declare({})  # a tenth matters, which the interval does not exclude
    built.build(START + WEEK)
    assert result(built)["verdict"] == "too early"
    for keys in ({"lifecycle": "retired"}, {"ends_at": START + WEEK}):
        built.declare(keys)
        built.build(START + WEEK)
        assert result(built)["verdict"] == "undecided"
        built.build(START + WEEK - MOMENT)
        assert result(built)["verdict"] == "too early"  # people wait
    built.convert(held_out, START)
    built.build(START + WEEK)
    assert result(built)["verdict"] == "lower"
    assert result(built)["difference_high"] < 0


@pytest.mark.parametrize("sizes", [(99, 100), (100, 99), (100, 100)])
def test_a_small_arm_is_too_early(built, sizes):
    arms = {arm: of_arm(built, arm) for arm in ("held_out", "treated")}
    built.con.execute(
        "delete from experiment_assignments where profile_id not in (select unnest(?))",
        [[*arms["held_out"][: sizes[0]], *arms["treated"][: sizes[1]]]],
    )
    built.convert(arms["treated"], START)
    built.build(START + WEEK, models=WITH_RESULTS)
    assert result(built)["verdict"] == ("too early" if 99 in sizes else "higher")


@pytest.mark.parametrize("better", ["held_out", "treated"])
def test_a_difference_that_matters_is_excluded_on_both_sides(built, better):
    for arm in ("held_out", "treated"):
        people = of_arm(built, arm)
        built.convert(people[: round(len(people) * (0.5 if arm == better else 0.42))], START)
    for least_lift, verdict in ((0.2, "too early"), (0.9, "no difference seen")):
        built.declare({"outcomes": [OUTCOME | {"least_lift": least_lift}]})
        built.build(START + WEEK, models=WITH_RESULTS)
        found = result(built)
        near, far = sorted(map(abs, (found["difference_low"], found["difference_high"])))
        mean = result(built, arm="held_out")["mean"]
        assert near < 0.2 * mean < far < 0.9 * mean and found["verdict"] == verdict


def test_exposures_after_the_data_clock_are_not_counted(built):
    """Of a run as of the past."""
    built.build(START - MOMENT, models=WITH_RESULTS)
    assert built.query("select count(*) from experiment_results") == [(0,)]


@pytest.mark.parametrize("converters", [19, 20])
def test_few_converters_are_too_early(built, converters):
    built.convert(of_arm(built, "treated")[:converters], START)
    built.build(START + WEEK)
    assert result(built)["difference_low"] > 0
    assert result(built)["verdict"] == ("higher" if converters == 20 else "too early")


def test_few_values_are_too_early(built):
    held_out, treated = of_arm(built, "held_out"), of_arm(built, "treated")
    built.convert(treated[:300], START, 10)
    built.convert(held_out[:9], START, 10)
    built.build(START + WEEK)
    assert result(built)["verdict"] == "higher"
    assert result(built, "value")["verdict"] == "too early"
    built.convert(held_out[9:10], START, 10)
    built.build(START + WEEK)
    assert result(built, "value")["verdict"] == "higher"


def test_a_wrong_ratio_is_found(built):
    columns = "exposed_people, expected_people, is_ratio_off, verdict"
    built.convert(of_arm(built, "treated"), START)
    built.build(START + WEEK)
    assert result(built, columns=columns)["expected_people"] == 500
    assert result(built, columns="is_ratio_off, verdict") == {
        "is_ratio_off": False,
        "verdict": "higher",
    }
    gone = of_arm(built, "held_out")[:150]  # such as people whose events were lost
    built.con.execute(
        "update profile_aliases set current_profile_id = null where profile_id in "
        "(select unnest(?))", [gone],
    )  # fmt: skip
    built.build(START + WEEK, models=WITH_RESULTS)
    for arm in ("held_out", "treated"):
        assert result(built, arm=arm, columns="is_ratio_off")["is_ratio_off"]
    assert result(built)["verdict"] == "sample ratio is off"


def test_an_arm_that_is_missing_is_found(built):
    built.con.execute("delete from experiment_assignments where arm = 'held_out'")
    built.build(START + WEEK, models=WITH_RESULTS)
    assert result(built)["verdict"] == "sample ratio is off"


def test_of_a_few_people_no_ratio_is_wrong(built):
    """One of twenty where a fiftieth of one is expected, as chance makes in one of fifty cases."""
    few = [*of_arm(built, "held_out")[:1], *of_arm(built, "treated")[:19]]
    built.con.execute(
        "delete from experiment_assignments where profile_id not in (select unnest(?))", [few]
    )
    built.con.execute(
        "update experiment_assignments set share = if(arm = 'held_out', 0.001, 0.999)"
    )
    built.build(START + WEEK, models=WITH_RESULTS)
    assert not result(built, columns="is_ratio_off")["is_ratio_off"]


def test_changed_shares_are_no_wrong_ratio(built):
    """What is expected of an assignment are the shares of its time."""
    built.declare({"arms": {"held_out": 0.05, "treated": 0.95}})
    built.join(*(f"q{number}" for number in range(1000)))
    built.build(START + DAY)
    found = result(built, arm="held_out", columns="expected_people, is_ratio_off")
    assert found == {"expected_people": 550, "is_ratio_off": False}


@pytest.mark.parametrize("count", [20, 1000])
def test_chance_is_seldom_a_wrong_ratio(tmp_path, count):
    """In 100 experiments of as many people; a thousandth is expected."""
    found = Experiments(tmp_path)
    arms = {"held_out": 0.1, "treated": 0.9}
    names = [f"e{number}" for number in range(100)]
    found.declare(*({"name": name, "lifecycle": "retired", "arms": arms} for name in names))
    draw = render("draw_of", "md5(e || ':' || p)")
    found.con.execute(
        f"""
        create table experiment_assignments as
        select
            e as experiment_name, p as profile_id, arms, timestamp '2026-01-01' as exposed_at,
            case when {draw} < 0.1 then 'held_out' else 'treated' end as arm,
            case arm when 'held_out' then 0.1::double else 0.9 end as share
        from (select 'e' || range as e, '' as arms from range(100)),
            (select 'p' || range as p from range({count}))
        """
    )
    found.con.execute(
        "insert into profile_aliases select distinct profile_id, profile_id "
        "from experiment_assignments"
    )
    found.build(datetime(2026, 2, 1), models=("experiments", "experiment_exposures", *WITH_RESULTS))
    ((off, experiments),) = found.query(
        "select count(distinct experiment_name) filter (is_ratio_off), "
        "count(distinct experiment_name) from experiment_results"
    )
    assert experiments == 100 and off <= 2
    assert MODELS.keys() >= {*WITH_RESULTS}
