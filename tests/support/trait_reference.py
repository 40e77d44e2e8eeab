"""The values of traits by plain Python, and the project's SQL of traits without dbt."""

from collections import Counter
from datetime import timedelta

from tideline.declarations.formulas import formulas_of
from tideline.declarations.rules import parse, value_of
from tideline.declarations.segments import read_traits
from tideline.segments.preview import traits_sql

# Properties of the plan by event: name and type.
PLAN = {
    "loan": {"topic": "text", "price": "number", "is_new": "boolean"},
    "visit": {"topic": "text", "minutes": "number"},
    "call": {},
}


def sql_of_traits(folder):
    """The select of `profile_traits` for the declarations of a project folder."""
    rows = [(event, *each) for event, named in PLAN.items() for each in named.items()]
    rows += [(event, None, None) for event in PLAN]
    columns = ("event_name", "property", "property_type")
    plan = [dict(zip(columns, row, strict=True)) for row in rows]
    return traits_sql(read_traits(folder), plan, str)


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
    row = {}
    for prop, kind in types.items():
        text = text_of(event["properties"].get(prop))
        if kind == "number":
            row[prop] = number(text)
        elif kind == "boolean":
            row[prop] = {"true": True, "false": False}.get((text or "").lower())
        else:
            row[prop] = text
    return row


def length(text):
    """A window as a timedelta."""
    count, unit = text.split()
    return timedelta(**{unit: int(count)})


def counted_events(spec, events, as_of):
    """The events that a trait counts, in order."""
    end = as_of - length(spec.before) if spec.before else as_of
    names = [*PLAN] if spec.event == ("*",) else spec.event
    for event in sorted(events, key=lambda each: (each["occurred_at"], each["event_id"])):
        at = event["occurred_at"]
        if event["event_name"] not in names or at >= end:
            continue
        if spec.within and at < end - length(spec.within):
            continue
        if spec.where and value_of(parse(spec.where), typed(event, names)) is not True:
            continue
        yield event


def value_of_trait(spec, events, as_of):
    """The value of a trait that is an aggregate of the events of a profile."""
    found = [*counted_events(spec, events, as_of)]
    times = [each["occurred_at"] for each in found]
    texts = [text_of(each["properties"].get(spec.property)) for each in found]
    texts = [text for text in texts if text is not None]
    numbers = [value for text in texts if (value := number(text)) is not None]
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
            return (texts[0] if spec.aggregate == "first" else texts[-1]) if texts else None
        case "most_frequent":
            counts = Counter(texts)
            return (
                max(texts, key=lambda t: (counts[t], len(texts) - texts[::-1].index(t)))
                if texts
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
    row = {
        each.name: value_of_trait(each.spec, events, as_of)
        for each in traits
        if each.spec.aggregate
    }
    return row | {name: value_of(tree, row) for name, tree in formulas_of(traits).items()}
