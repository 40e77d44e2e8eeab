"""The models that compute intervals, run on a log in an in-memory warehouse."""

import yaml

from tests.support.random_traits import connected
from tests.support.trait_reference import sql_of_model
from tideline.declarations.segments import read_segments, read_traits


def written(folder, content):
    """The traits and segments of a declaration file, and the selects of the models: those of the
    readings and of the steps of attributes, and those of the intervals.
    """
    path = folder / "models" / "segments" / "team" / "all.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    names = ("intermediate/trait_readings", "intermediate/attribute_steps")
    selects = [sql_of_model(name, folder) for name in names]
    selects += sql_of_model("segment_intervals", folder).split(";\f")
    return read_traits(folder), read_segments(folder), selects


def built(selects, events, as_of):
    """The intervals of the select on a log, by profile and segment."""
    with connected(events, as_of) as con:
        readings, steps, *rules = selects
        con.execute(f"create table trait_readings as {readings}")
        con.execute(f"create table attribute_steps as {steps}")
        together = " union all ".join(f"({each})" for each in rules)
        con.execute(f"create table segment_intervals as {together}")
        rows = con.execute(
            "select profile_id, segment_name, valid_from, valid_to, entered_event_id, "
            "left_event_id from segment_intervals order by all"
        ).fetchall()
    found = {}
    for profile, segment, *interval in rows:
        found.setdefault((profile, segment), []).append(tuple(interval))
    return found
