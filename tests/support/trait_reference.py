"""The values of traits by plain Python, and the project's SQL of traits without dbt."""

from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from tideline.declarations.formulas import OF_PROPERTY, formulas_of
from tideline.declarations.rules import columns_of_rule, parse, value_of
from tideline.declarations.segments import read_segments, read_traits
from tideline.segments.models import model_sql, traits_sql

# Properties of the plan by event: name and type.
PLAN = {
    "loan": {"topic": "text", "price": "number", "is_new": "boolean"},
    "visit": {"topic": "text", "minutes": "number"},
    "call": {},
}


# Texts that are a time; of others, in random logs, none is.
TIMES = {
    "2026-01-30T06:00:00Z": datetime(2026, 1, 30, 6),
    "2026-01-30T06:00:00+02:00": datetime(2026, 1, 30, 4),
    "2026-01-29 12:30:00.25": datetime(2026, 1, 29, 12, 30, 0, 250_000),
    "2026-01-28": datetime(2026, 1, 28),
    "1769752800": datetime(2026, 1, 30, 6),
}


def write_plan(folder):
    """Write the plan as the seed of a project folder, so that its traits have the kinds of it."""
    path = folder / "seeds" / "tracking_plan.csv"
    path.parent.mkdir(exist_ok=True)
    rows = [f"{each['event_name']},{each['property'] or ''},{each['property_type'] or ''}"
            for each in plan_rows()]  # fmt: skip
    path.write_text("\n".join(["event_name,property,property_type", *rows, ""]))


def sql_of_model(model, folder):
    """The select of a model of `models/segments` for the declarations of a project folder."""
    traits = read_traits(folder)
    if model == "profile_traits":
        return traits_sql(traits, plan_rows(), str)
    return model_sql(model, traits, plan_rows(), str, read_segments(folder))


def plan_rows():
    """The rows of the plan as a seed has them."""
    rows = [(event, *each) for event, named in PLAN.items() for each in named.items()]
    rows += [(event, None, None) for event in PLAN]
    columns = ("event_name", "property", "property_type")
    return [dict(zip(columns, row, strict=True)) for row in rows]


# How long the value of an attribute survives, by attribute and priority.
SURVIVORS = {
    ("country", 1): "latest",
    ("country", 2): "first",
    ("language", 1): "first",
    ("language", 2): "latest",
    ("language", 3): "latest",
}
ATTRIBUTES = tuple(dict.fromkeys(attribute for attribute, _ in SURVIVORS))


class Statement(NamedTuple):
    """What an event states about an attribute of its profile."""

    attribute: str
    value: str
    priority: int
    received_at: datetime


# Times on lists as (profile, list, from, until), around the clocks of the random logs.
LISTED = [
    ("p", "staff", datetime(2026, 1, 29, 12), datetime(2026, 1, 31, 12)),
    ("p", "staff", datetime(2026, 1, 31, 6), datetime(2026, 1, 31, 18)),
    ("p", "guests", datetime(2026, 1, 31, 12), None),
    ("q", "guests", None, datetime(2026, 1, 30)),
    ("q", "staff", datetime(2026, 2, 1), None),
]
parsed = cache(parse)
MOMENT = timedelta(microseconds=1)


def number(text):
    """A text as a number; None if it is none."""
    try:
        return None if text is None or "_" in text else float(text)
    except ValueError:
        return None


def text_of(value):
    """A value of JSON as text."""
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed(event, of_events):
    """The properties that the plan has for some events, with the values of one event."""
    types = {}
    for name in of_events:
        for prop, kind in PLAN[name].items():
            types[prop] = kind if types.get(prop, kind) == kind else "text"
    row = {"event_name": event["event_name"]}
    for prop, kind in types.items():
        text = text_of(event["properties"].get(prop))
        row[prop] = read(text, kind)
    return row


def read(text, kind):
    """A text as a value of a kind; None if it is none."""
    if kind == "number":
        return number(text)
    if kind == "boolean":
        return {"true": True, "false": False}.get((text or "").lower())
    return TIMES.get(text) if kind == "timestamp" else text


def length(text):
    """A window as a timedelta."""
    count, unit = text.split()
    return timedelta(**{unit: int(count)})


def matches(block, event):
    """Whether an event is one that a trait, or a step of its `after`, names."""
    names = [*PLAN] if block.event == ("*",) else block.event
    if event["event_name"] not in names:
        return False
    return not block.where or value_of(parsed(block.where), typed(event, names)) is True


def is_step(steps, events, event):
    """Whether an event is the last of these steps, after all the others."""
    return matches(steps[-1], event) and is_after(steps[:-1], events, event)


def is_after(steps, events, event):
    """Whether the steps have come before an event, in order."""
    if not steps:
        return True
    could_be_both, at = is_step(steps, events, event), event["occurred_at"]
    for each in events:
        time = each["occurred_at"]
        is_before = time < at or (
            time == at and (each["event_id"] < event["event_id"] or not could_be_both)
        )
        if each is event or not is_before or not is_step(steps, events, each):
            continue
        if steps[-1].within and time < at - length(steps[-1].within):
            continue
        between = {e["event_name"] for e in events if time < e["occurred_at"] < at}
        if between.isdisjoint(steps[-1].without):
            return True
    return False


def is_ended(spec, events, event):
    """Whether an event of `until` is at the time of an event, or later."""
    return any(
        each["event_name"] in spec.until and each["occurred_at"] >= event["occurred_at"]
        for each in events
    )


def counted_events(spec, events, as_of):
    """The events that a trait counts, in order."""
    seen = [each for each in events if each["occurred_at"] < as_of]
    end = as_of - length(spec.before) if spec.before else as_of
    for event in sorted(seen, key=lambda each: (each["occurred_at"], each["event_id"])):
        at = event["occurred_at"]
        if at >= end or (spec.within and at < end - length(spec.within)):
            continue
        if not matches(spec, event) or is_ended(spec, seen, event):
            continue
        if is_after(spec.after, seen, event):
            yield event


def is_listed(name, events, as_of):
    """Whether the profile of these events is on a list; it is on none before its first event."""
    times = [each[2:] for each in LISTED if each[:2] == (events[0]["profile_id"], name)]
    return any(
        (start is None or start < as_of) and (end is None or end >= as_of) for start, end in times
    )


def value_of_trait(spec, events, as_of, kind=None):
    """The value of a trait that is an aggregate of the events of a profile, or of a list; `kind` is
    that of its values.
    """
    if spec.list:
        return is_listed(spec.list, events, as_of)
    found = [*counted_events(spec, events, as_of)]
    times = [each["occurred_at"] for each in found]
    texts = [text_of(each["properties"].get(spec.property)) for each in found]
    texts = [text for text in texts if text is not None]
    numbers = [value for text in texts if (value := number(text)) is not None]
    values = [value for text in texts if (value := read(text, kind)) is not None]
    match spec.aggregate:
        case "count":
            return len(found)
        case "exists":
            return bool(found)
        case "count_distinct":
            return len(set(texts))
        case "sum":
            return round(sum(numbers), 6)
        case "average":
            return round(sum(numbers) / len(numbers), 6) if numbers else None
        case "min" | "max":
            return round((min if spec.aggregate == "min" else max)(numbers), 6) if numbers else None
        case "first" | "last":
            return (values[0] if spec.aggregate == "first" else values[-1]) if values else None
        case "most_frequent":
            counts = Counter(values)
            return (
                max(values, key=lambda v: (counts[v], len(values) - values[::-1].index(v)))
                if values
                else None
            )
        case "first_at" | "last_at":
            return (times[0] if spec.aggregate == "first_at" else times[-1]) if times else None
        case "days_since" | "minutes_since":
            unit = timedelta(days=1) if spec.aggregate == "days_since" else timedelta(minutes=1)
            return (as_of - times[-1]) / unit if times else None
        case "streak":
            return streak([at.date() for at in times], as_of.date())
    raise AssertionError(spec.aggregate)


def streak(days, today):
    """The number of days in a row that ends today or yesterday."""
    day, count = today, 0
    if day not in days:
        day -= timedelta(days=1)
    while day in days:
        count, day = count + 1, day - timedelta(days=1)
    return count


def values_of_traits(traits, events, as_of):
    """The values of all traits of a profile, by name."""
    return _values(traits, formulas_of(traits), events, as_of)


def _values(traits, formulas, events, as_of):
    row = {
        each.name: value_of_trait(each.spec, events, as_of, each.kind)
        for each in traits
        if each.spec.aggregate
    }
    row |= {name: value_of(tree, row) for name, tree in formulas.items()}
    return row | {name: attribute_at(name, events, as_of)[0] for name in ATTRIBUTES}


def attribute_at(name, events, as_of):
    """The value of an attribute of the golden profile, and the event that states it, by the rules
    of docs/reference/golden-profile.md; (None, None) if there is none.
    """
    said = [
        (each["occurred_at"], one.received_at, one.value, each["event_id"], one.priority)
        for each in events
        if each["occurred_at"] < as_of
        for one in each.get("statements", ())
        if one.attribute == name
    ]
    if not said:
        return None, None
    least = min(each[4] for each in said)
    said = [each for each in said if each[4] == least]
    if SURVIVORS[name, least] == "latest":
        said = [each for each in said if each[0] == max(said)[0]]
        said = [each for each in said if each[1] == max(other[1] for other in said)]
    _, _, value, event, _ = min(said)
    return value, event


def membership(rule, traits, events):
    """A function of an instant: whether a build just after it counts a profile to a segment with
    this tree.
    """
    names = {*columns_of_rule(rule)}
    formulas = {name: tree for name, tree in formulas_of(traits).items() if name in names}
    names |= {name for tree in formulas.values() for name in columns_of_rule(tree)}
    needed = [each for each in traits if each.name in names]

    def is_member(instant):
        as_of = instant + MOMENT
        if all(each["occurred_at"] >= as_of for each in events):
            return False
        return value_of(rule, _values(needed, formulas, events, as_of)) is True

    return is_member


def tipping_event(rule, traits, events, instant):
    """The event at an instant that changes a trait or an attribute of the rule, or that is the
    first of all.
    """
    names = {*columns_of_rule(rule)}
    formulas = [each.spec.formula for each in traits if each.name in names and each.spec.formula]
    names |= {name for text in formulas for name in columns_of_rule(parsed(text))}
    read_by = [each for each in traits if each.name in names and each.spec.aggregate]
    stating = set()
    for name in names & {*ATTRIBUTES}:
        value, event = attribute_at(name, events, instant + MOMENT)
        if value != attribute_at(name, events, instant)[0]:
            stating.add(event)
    first = min(events, key=lambda each: (each["occurred_at"], each["event_id"]))
    seen = [each for each in events if each["occurred_at"] <= instant]
    tipping = [
        each["event_id"]
        for each in seen
        if each["occurred_at"] == instant
        and (
            each is first
            or each["event_id"] in stating
            or any(changes(trait, seen, each) for trait in read_by)
        )
    ]
    return max(tipping, default=None)


def changes(trait, events, event):
    """Whether an event of the last instant is counted by a trait at once, or ends others."""
    spec = trait.spec
    if event["event_name"] in spec.until:
        return True
    if spec.before or not matches(spec, event) or not is_after(spec.after, events, event):
        return False
    text = text_of(event["properties"].get(spec.property))
    if is_ended(spec, events, event):
        return False
    if spec.aggregate in ("sum", "average", "min", "max"):
        return number(text) is not None
    kind = trait.kind if spec.aggregate in OF_PROPERTY else "text"
    return spec.property is None or read(text, kind) is not None


def edges_of(rule, traits, events, instants):
    """The instants at which a profile becomes a member, or ceases to be one, from the first of
    these instants to the last. The rule is tried at and between them; an edge is searched for.
    """
    tried = sorted(instants)
    tried = sorted({*tried, *(a + (b - a) / 2 for a, b in pairwise(tried))})
    last, edges = tried[0], []
    is_member = membership(rule, traits, events)
    before = is_member(last)
    for instant in tried[1:]:
        now = is_member(instant)
        if now != before:
            low, high = last, instant
            while high - low > MOMENT:
                middle = low + (high - low) / 2
                if is_member(middle) == before:
                    low = middle
                else:
                    high = middle
            edges.append(high)
        before, last = now, instant
    return edges


def instants_of(events, delays):
    """The instants at which, just before which and just after which a rule may change."""
    tried = {each["occurred_at"] + delay for each in events for delay in (timedelta(), *delays)}
    profiles = {each["profile_id"] for each in events}
    tried |= {at for profile, _, *times in LISTED if profile in profiles for at in times if at}
    tried |= midnights(tried)
    return {each + step for each in tried for step in (timedelta(), MOMENT, -MOMENT)}


def midnights(instants):
    """The beginnings of the days (UTC) of these instants, and of the two days after each."""
    days = {each.replace(hour=0, minute=0, second=0, microsecond=0) for each in instants}
    return {day + timedelta(days=count) for day in days for count in range(3)}


def intervals_of(rule, traits, events, delays):
    """The stretches of time in which a profile is a member, as (from, to, event, event).

    The rule is tried at each event, `delays` after it, and between.
    """
    edges = edges_of(rule, traits, events, instants_of(events, delays))
    tips = [(each, tipping_event(rule, traits, events, each)) for each in edges]
    if len(tips) % 2:
        tips.append((None, None))
    return [
        (start, end, entered, left)
        for (start, entered), (end, left) in zip(tips[::2], tips[1::2], strict=True)
    ]
