"""The sample business: deterministic, valid if clean, dirty as declared, with complete truth."""

import csv
import gzip
import json
from collections import Counter
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from examples.shop import Dirt, generate
from examples.shop.dirt import JUNK
from examples.shop.sample import main

SEEDS = Path(__file__).parents[2] / "seeds"
END = date(2026, 11, 1)
CALLS = {"page": "page_view", "screen": "page_view", "identify": "identify"}


def land(folder: Path, *arguments: str) -> Path:
    """Run the command with its output in `folder`; return the folder of the events."""
    small = ["--people", "150", "--days", "12", "--seed", "7"]
    places = ["--landing", str(folder / "landing"), "--truth", str(folder / "truth")]
    assert main([*small, *places, *arguments]) == 0
    return folder / "landing" / "events"


def contents(events: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(events.iterdir())}


def read(events: Path) -> list[str]:
    return [line for path in sorted(events.iterdir()) for line in path.read_text().splitlines()]


def parsed(lines: list[str]) -> list[dict]:
    """The lines that are JSON."""
    messages = []
    for line in lines:
        try:
            messages.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return messages


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def plan() -> dict[str, dict[str, dict[str, str]]]:
    events: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows(SEEDS / "tracking_plan.csv"):
        properties = events.setdefault(row["event_name"], {})
        if row["property"]:
            properties[row["property"]] = row
    return events


@pytest.fixture(scope="module")
def aliases() -> dict[str, str]:
    return {row["alias"]: row["event_name"] for row in rows(SEEDS / "event_aliases.csv")}


def is_valid(message: dict, plan: dict, aliases: dict[str, str]) -> bool:
    """Whether a message conforms to the tracking plan."""
    name = CALLS.get(message["type"]) or aliases.get(message["event"], message["event"])
    if name not in plan:
        return False
    properties = message.get("properties", {})
    for key, rule in plan[name].items():
        value = properties.get(key)
        if value is None:
            if rule["is_required"] == "true":
                return False
            continue
        if not isinstance(value, str if rule["property_type"] == "text" else (int, float)):
            return False
        if rule["allowed_values"] and value not in rule["allowed_values"].split("|"):
            return False
    return True


@pytest.mark.slow
def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    first = contents(land(tmp_path / "a"))
    assert contents(land(tmp_path / "b")) == first
    assert contents(land(tmp_path / "c", "--seed", "8")) != first
    truth = contents(tmp_path / "a" / "truth")
    assert contents(tmp_path / "b" / "truth") == truth
    assert set(truth) == {"people.csv", "identifiers.csv", "bundle_episodes.csv", "rows.json"}


def test_days_landed_in_parts_equal_the_whole(tmp_path):
    whole = contents(land(tmp_path / "whole"))
    land(tmp_path / "parts", "--to-day", "11")
    parts = land(tmp_path / "parts", "--from-day", "11")
    assert contents(parts) == whole
    assert sorted(whole)[0] == "2026-10-20.jsonl"
    assert sorted(whole)[-1] == "2026-10-31.jsonl"


def test_compressed_file_replaces_the_plain_one(tmp_path):
    plain = contents(land(tmp_path))
    packed = contents(land(tmp_path, "--gzip"))
    assert {c[4:8] for c in packed.values()} == {bytes(4)}  # no time of writing in the header
    assert {name.removesuffix(".gz"): gzip.decompress(c) for name, c in packed.items()} == plain


def test_a_file_holds_the_arrivals_of_its_day_in_order(tmp_path):
    for path in land(tmp_path).iterdir():
        received = [m["receivedAt"] for m in parsed(path.read_text().splitlines())]
        assert received == sorted(received)
        assert {instant[:10] for instant in received} == {path.stem}


def test_every_clean_message_keeps_to_the_tracking_plan(tmp_path, plan, aliases):
    lines = read(land(tmp_path, "--clean", "--people", "400", "--days", "30"))
    messages = [json.loads(line) for line in lines]
    assert [m for m in messages if not is_valid(m, plan, aliases)] == []
    assert len({m["messageId"] for m in messages}) == len(messages)
    names = {
        CALLS.get(m["type"]) or aliases.get(m["event"], m["event"]) for m in messages
    }  # the events of the shop and its app; other trackers and systems have the rest
    others = {"group", "alias", "page_ping", "link_click", "scroll", "session_start", "first_visit"}
    others |= {"user_engagement", "payment_failed", "order_refund", "email_delivery"}
    assert names == set(plan) - others - {"consent_change"}
    assert all(m.get("anonymousId") or m["userId"] for m in messages)
    orders = [m["properties"] for m in messages if "revenue" in m.get("properties", {})]
    assert len({o["order_id"] for o in orders}) == len(orders)
    assert all(m["properties"].get("value", 1) > 0 for m in messages if "properties" in m)
    for order in orders:
        total = sum(p["price"] * p["quantity"] for p in order["products"])
        paid = total * 0.85 if "coupon" in order else total
        assert order["revenue"] == pytest.approx(paid, abs=0.011)
        assert order["item_count"] == len(order["products"])


def test_dirt_in_the_lines_is_what_the_truth_counts(tmp_path, plan, aliases):
    events = land(
        tmp_path, "--people", "300", "--days", "20", "--plan-breaking", "0.02",
        "--not-json", "0.01", "--exact-duplicates", "0.02", "--resent-duplicates", "0.03",
    )  # fmt: skip
    counts = json.loads((tmp_path / "truth" / "rows.json").read_text())
    lines = read(events)
    messages = parsed(lines)
    assert len(lines) == counts["lines"]
    assert len(lines) - len(messages) == counts["not_json"] > 0
    broken = [m for m in messages if not is_valid(m, plan, aliases)]
    assert len(broken) == counts["plan_breaking"] > 0
    exact = len(lines) - len(set(lines))
    assert exact == counts["exact_duplicates"] > 0
    again = len(messages) - len({m["messageId"] for m in messages})
    assert again == counts["exact_duplicates"] + counts["resent_duplicates"] > exact
    arrivals: dict[str, list[str]] = {}
    for message in messages:
        arrivals.setdefault(message["messageId"], []).append(message["receivedAt"])
    assert sum(len(set(a)) - 1 for a in arrivals.values()) == pytest.approx(
        counts["resent_duplicates"], abs=3
    )
    agents = Counter("bot" in m["context"].get("userAgent", "").lower() for m in messages)
    headless = sum("HeadlessChrome" in m["context"].get("userAgent", "") for m in messages)
    assert agents[True] + headless >= counts["bots"] > 0
    parts = ("clean", "exact_duplicates", "resent_duplicates", "plan_breaking", "not_json")
    assert sum(counts[part] for part in parts) == counts["lines"]
    by_day = counts["by_day"].values()
    assert sum(day["lines"] for day in by_day) == counts["lines"]


def test_rates_are_roughly_as_declared():
    dirt = Dirt(late=0.05, skewed_clocks=0.05, future=0.01, junk_identifiers=0.01)
    counts = generate(800, 40, 3, END, dirt).rows.sum()
    # Shares of people, not of messages.
    besides = {"shared_devices", "shared_inboxes", "family_tablets", "sold_phones"}
    for kind in {rate.name for rate in fields(Dirt)} - besides:
        rate = getattr(dirt, kind)
        assert counts[kind] / counts["clean"] == pytest.approx(rate, rel=0.4), kind


def test_clocks_are_wrong_only_as_declared(tmp_path):
    def offsets(*arguments: str) -> tuple[list[timedelta], list[timedelta]]:
        messages = parsed(read(land(tmp_path / arguments[-2], "--clean", *arguments)))
        at = [
            [datetime.fromisoformat(m[k]) for k in ("timestamp", "sentAt", "receivedAt")]
            for m in messages
        ]
        return [r - t for t, _, r in at], [abs(r - s) for _, s, r in at]

    second = timedelta(seconds=1)
    age, travel = offsets("--clean", "--late", "0")
    assert max(age) < second and max(travel) < second
    age, travel = offsets("--skewed-clocks", "0.3")
    assert max(age) < second and max(travel) > timedelta(minutes=9)
    age, travel = offsets("--late", "0.3")
    assert max(age) > timedelta(hours=2) and max(travel) < second
    age, travel = offsets("--future", "0.1")
    assert min(age) < -timedelta(days=1) and max(travel) < second


def test_truth_knows_every_landed_identifier_and_no_other(tmp_path):
    events = land(
        tmp_path, "--people", "400", "--shared-devices", "0.2", "--junk-identifiers", "0.05",
        "--shared-inboxes", "0.2",
    )  # fmt: skip
    landed = set()
    for message in parsed(read(events)):
        landed |= {("anonymous_id", message.get("anonymousId")), ("user_id", message["userId"])}
        landed |= {("email", message.get("traits", {}).get("email"))}
    landed = {(kind, value) for kind, value in landed if value is not None}
    junk = set(JUNK.items())
    truth = rows(tmp_path / "truth" / "identifiers.csv")
    assert junk <= landed
    assert {(row["id_type"], row["id_value"]) for row in truth} == landed - junk
    owners = Counter((row["id_type"], row["id_value"]) for row in truth)
    assert {kind for (kind, _), count in owners.items() if count > 1} == {"anonymous_id", "email"}
    people = {row["person_id"] for row in rows(tmp_path / "truth" / "people.csv")}
    assert {r["person_id"] for r in truth if not r["person_id"].startswith("bot_")} <= people


def test_ties_between_people_are_in_the_events_and_in_the_truth():
    """An inbox has two accounts, a tablet three, and a sold phone two people in turn."""
    dirt = replace(Dirt.none(), shared_inboxes=0.1, family_tablets=0.1, sold_phones=0.1)
    business = generate(600, 60, 5, END, dirt)
    people, truth = business.people.set_index("person_id"), business.identifiers
    owners = truth.groupby(["id_type", "id_value"])["person_id"].agg(frozenset)
    several = owners[owners.map(len) > 1].reset_index()
    pairs = several[several["id_type"] == "email"]["person_id"]
    assert len(pairs) > 10
    assert all(people.loc[sorted(pair), "shares_inbox"].all() for pair in pairs)
    devices = several[several["id_type"] == "anonymous_id"]["person_id"]
    families = [family for family in devices if people.loc[sorted(family), "shares_tablet"].all()]
    assert len(families) > 5 and max(map(len, families)) == 3
    traded = [pair for pair in devices if pair not in families]
    assert len(traded) > 5
    events = business.events.assign(
        person_id=[f"person_{person:06d}" for person in business.events["person"]],
        day=[str(business.day(int(at) // 86_400_000)) for at in business.events["occurred"]],
    )
    for pair in traded:
        seller, buyer = sorted(pair, key=lambda person: people.loc[person, "bought_phone_on"])
        sold_on = people.loc[seller, "sold_phone_on"]
        assert sold_on == people.loc[buyer, "bought_phone_on"] != ""
        both = events[events["person_id"].isin(pair) & (events["device"] >= 0)]
        phone = both.groupby("device")["person_id"].nunique().idxmax()
        seen = both[both["device"] == phone]
        assert seen[seen["person_id"] == seller]["day"].max() < sold_on
        assert seen[seen["person_id"] == buyer]["day"].min() >= sold_on
    signed_in = events[events["shows_user"] & (events["device"] >= 0)]
    accounts = signed_in.groupby("device")["person_id"].nunique()
    assert (accounts == 3).any() and (accounts == 2).any()


def test_truth_of_who_left_holds_in_the_events():
    business = generate(500, 60, 5, END, Dirt.none())
    events = business.events
    last = events.groupby("person")["occurred"].max() // 86_400_000
    left = business.people["left_on"]
    gone = left[left != ""]
    assert len(gone) > 30
    for person, day in gone.items():
        index = (date.fromisoformat(day) - business.first_day).days
        # An email of the last days may still be opened a little later.
        assert last.get(person, 0) <= index + 1


def test_bundles_follow_their_episodes_and_little_else():
    business = generate(2500, 60, 11, END, Dirt.none())
    episodes = business.bundle_episodes
    share = episodes.groupby("kind")["is_converted"].mean()
    assert share["intent"] == pytest.approx(0.75, abs=0.08)
    assert share["shoes_only"] < 0.08
    assert share["jackets_only"] < 0.06
    assert (episodes["kind"] == "intent").sum() > 150
    orders = {o["order_id"]: o for o in map(json.loads, business.orders)}
    for episode in episodes[episodes["is_converted"]].to_dict("records"):
        order = orders[episode["order_id"]]
        assert {p["category"] for p in order["products"]} == {"footwear", "jackets"}
        assert order["item_count"] == 2 and order["revenue"] >= 250
        lag = datetime.fromisoformat(episode["bundled_at"]) - datetime.fromisoformat(
            episode["ended_at"]
        )
        assert timedelta(0) < lag < timedelta(hours=72)
    big = [o for o in orders.values() if o["revenue"] >= 250 and o["item_count"] > 1]
    mixed = [o for o in big if len({p["category"] for p in o["products"]}) > 1]
    assert len(mixed) < 2.2 * episodes["is_converted"].sum()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--people", "0"], "'0' is not a whole number from 1 on"),
        (["--days", "x"], "'x' is not a whole number"),
        (["--seed", "-1"], "'-1' is not a whole number"),
        (["--end", "1.11.2026"], "'1.11.2026' is not a date like 2026-11-01"),
        (["--late", "1.5"], "dirt rate late is 1.5; give a number from 0 to 1"),
        (["--days", "5", "--from-day", "5"], "give 0 <= from < to <= 5"),
    ],
)
def test_invalid_arguments_are_named(arguments, message, capsys, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--landing", str(tmp_path / "l"), "--truth", str(tmp_path / "t")])
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_complete_or_missing(tmp_path, monkeypatch):
    names = []

    def fail(self: Path, target: Path) -> None:
        names.append(self.name)
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", fail)
    places = ["--landing", str(tmp_path / "landing"), "--truth", str(tmp_path / "truth")]
    assert main(["--people", "5", "--days", "2", *places]) == 1
    assert list((tmp_path / "landing" / "events").iterdir()) == []
    assert not [name for name in names if name.endswith((".jsonl", ".jsonl.gz"))]


def test_one_person_and_one_day_are_enough(tmp_path):
    events = land(tmp_path, "--people", "1", "--days", "1")
    assert [path.name for path in events.iterdir()] == ["2026-10-31.jsonl"]


def test_a_place_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "landing").write_text("in the way")
    places = ["--landing", str(tmp_path / "landing"), "--truth", str(tmp_path / "truth")]
    assert main(["--people", "5", "--days", "2", *places]) == 1
    assert "cannot write" in capsys.readouterr().err
