"""Memberships and changes with their causes equal plain Python, build after build."""

import json
import random
import re
from collections import Counter
from datetime import timedelta

import pytest

from tests.support.random_builds import Team, World
from tests.support.segment_builds import Builds
from tests.support.trait_reference import (
    MOMENT,
    edges_of,
    instants_of,
    intervals_of,
    length,
    tipping_event,
    value_of,
    values_of_traits,
)
from tideline.declarations.rules import columns_of_rule

pytestmark = pytest.mark.slow

SEEDS = (1, 2, 3, 4, 6, 7, 14, 19)  # together they have each cause
BUILDS = 7
CHANGES = (
    "select profile_id, segment_name, change, cause, changed_at, event_id, segment_label, "
    "former_label, found_at from segment_changes order by all"
)
CAUSES = ("event", "time passed", "past changed", "values changed", "model changed")
CAUSES += ("definition changed", "segment declared", "segment ended", "profiles merged")
CAUSES += ("profile ended",)
MEMBERS = (
    "select profile_id, segment_name, segment_label, reason, reason_values, valid_from, "
    "valid_until, entered_event_id from segment_memberships order by all"
)
INTERVALS = (
    "select profile_id, segment_name, valid_from, valid_to, entered_event_id, left_event_id "
    "from segment_intervals order by all"
)


class Reference:
    """What builds find, by plain Python."""

    def __init__(self):
        self.changes, self.former, self.meanings, self.clocks = [], {}, {}, {}
        self.changed_at = None  # the latest `found_at`

    def build(self, known, traits, segments, meanings):
        """Find the members of a build, {(profile, segment): (label, values)}, and its changes."""
        self.known, self.traits = known, traits
        self.segments = {each.name: each for each in segments}
        self.delays = {delay for each in traits for delay in delays_of(each.spec)}
        self.now_means = meanings
        members = self._members()
        labels = {key: label for key, (label, _) in members.items()}
        found_at = known.as_of
        if self.changed_at is not None:
            found_at = max(found_at, self.changed_at + MOMENT)
        before = len(self.changes)
        for key in sorted({*labels, *self.former}):
            if labels.get(key) != self.former.get(key):
                self.changes.append(self._change(*key, labels.get(key), found_at))
        if len(self.changes) > before:
            self.changed_at = found_at
        self.former, self.meanings = labels, meanings
        self.clocks = dict.fromkeys(meanings, known.as_of)
        return members

    def events_of(self, profile):
        return [each for each in self.known.events if each["profile_id"] == profile]

    def _members(self):
        found = {}
        for profile, (recency, score) in self.known.features.items():
            row = values_of_traits(self.traits, self.events_of(profile), self.known.as_of)
            for each in self.traits:  # the warehouse has these as doubles, also of nothing
                if each.spec.aggregate in ("sum", "max") and row[each.name] is not None:
                    row[each.name] = float(row[each.name])
            row |= {"recency": recency, "churn_score": score}
            for name in self.now_means:
                segment = self.segments[name]
                if value_of(segment.rule.tree, row) is True:
                    values = {each: row[each] for each in columns_of_rule(segment.rule.tree)}
                    label = segment.spec.label.format_map({key: text(row[key]) for key in row})
                    found[profile, name] = label, values
        return found

    def _change(self, profile, name, label, found_at):
        """The row of a change, by the table of causes."""
        former = self.former.get((profile, name))
        change = "left" if label is None else "entered" if former is None else "relabelled"
        cause, changed_at, event = self._cause(profile, name, change, found_at)
        return (profile, name, change, cause, changed_at, event, label, former, found_at)

    def _cause(self, profile, name, change, found_at):
        if name not in self.now_means:
            return "segment ended", found_at, None
        current = self.known.aliases[profile]
        if current != profile:
            return "profile ended" if current is None else "profiles merged", found_at, None
        built_at = self.clocks.get(name)
        if change == "relabelled":
            return self._cause_of_values(name, built_at), found_at, None
        edge = self._latest_edge(profile, name, built_at)
        if built_at is None:
            return "segment declared", edge or found_at, None
        if edge is not None:
            tree = self.segments[name].rule.tree
            event = tipping_event(tree, self.traits, self.events_of(profile), edge)
            return "event" if event else "time passed", edge, event
        if self.meanings[name] != self.now_means[name]:
            return "definition changed", found_at, None
        merged = [at for target, at in self.known.merges if target == profile]
        if any(at > built_at or at == self.known.as_of for at in merged):
            return "profiles merged", found_at, None
        if has_intervals(name):
            return "past changed", found_at, None
        return self._cause_of_values(name, built_at), found_at, None

    def _cause_of_values(self, name, built_at):
        if self.meanings[name] != self.now_means[name]:
            return "definition changed"
        trained = self.known.trained_as_of
        if name == "s_scored" and (trained > built_at or trained == self.known.as_of):
            return "model changed"
        return "values changed"

    def _latest_edge(self, profile, name, since):
        """When the rule of today was last tipped before the clock, and not before `since`."""
        if not has_intervals(name):
            return None
        events = self.events_of(profile)
        last = self.known.as_of - MOMENT
        instants = instants_of(events, self.delays)
        first = min(instants) if since is None else since - MOMENT
        instants = {each for each in instants if first <= each <= last}
        if first >= last:
            return None
        edges = edges_of(
            self.segments[name].rule.tree, self.traits, events, {first, *instants, last}
        )
        return edges[-1] if edges else None

    def intervals(self):
        """The rows of all intervals."""
        found = []
        for profile in self.known.features:
            for name in filter(has_intervals, self.now_means):
                tree = self.segments[name].rule.tree
                rows = intervals_of(tree, self.traits, self.events_of(profile), self.delays)
                found += [(profile, name, *row) for row in rows]
        return found


def has_intervals(name):
    """Whether a segment of `Team` reads a trait, not a feature or a score."""
    return name not in ("s_feature", "s_scored")


def delays_of(spec):
    """How long after an event a trait can change."""
    start = length(spec.before) if spec.before else timedelta()
    return {start, start + length(spec.within)} if spec.within else {start}


def text(value):
    """A value in a label."""
    if value is None:
        return "unknown"
    return str(value).lower() if isinstance(value, bool) else str(value)


def checked(folder, seed, mutated=lambda model, sql: sql):
    """Compare a random sequence of builds with plain Python; return what has happened in it.

    Raises AssertionError if they differ. `mutated` may break the SQL of a model.
    """
    chance = random.Random(seed)
    team, world, reference = Team(chance), World(chance), Reference()
    builds = Builds(folder, mutated)
    for number in range(BUILDS):
        if number and chance.random() < 0.25:
            team.edit()
        known = world.step()
        builds.declare(team.content)
        builds.build(known)
        members = reference.build(known, builds.traits, builds.segments, team.meanings)
        assert builds.rows(CHANGES) == ordered(reference.changes)
        rows = builds.rows(MEMBERS)
        assert [row[:2] for row in rows] == sorted(members)
        for row in rows:
            check_membership(row, reference, members[row[:2]])
    assert builds.rows(INTERVALS) == ordered(reference.intervals())
    return world.seen + Counter(row[3] for row in reference.changes)


def check_membership(row, reference, expected):
    """Compare a membership with plain Python. Raises AssertionError."""
    _, name, label, reason, values, valid_from, valid_until, _ = row
    values, segment = json.loads(values), reference.segments[name]
    assert (label, values) == expected
    assert reason == segment.spec.when and value_of(segment.rule.tree, values) is True
    as_of = reference.known.as_of
    if has_intervals(name):
        assert valid_from and valid_from < as_of
        assert valid_until is None or valid_until >= as_of
    else:
        assert valid_from is None


def ordered(rows):
    """Rows as the warehouse sorts them, nulls last."""
    return sorted(rows, key=lambda row: [(each is None, each or "") for each in row])


def test_changes_equal_plain_python(tmp_path):
    seen = sum((checked(tmp_path, seed) for seed in SEEDS), Counter())
    assert {*CAUSES, "late", "again", "merged", "taken back"} <= {*seen}


CHANGE, DEFINITION, MEMBER = "segment_changes", "segment_definitions", "segment_memberships"
FIRST = "when is_first then 'segment declared'"
# What is broken: the model, a pattern, and what replaces it.
MUTANTS = {
    "earlier changes are found again": (
        CHANGE,
        "where changes.found_at >",
        "where true or changes.found_at >",
    ),
    "the changes of the build before are found again": (
        CHANGE,
        "where changes.found_at >",
        "where changes.found_at >=",
    ),
    "an edit comes before an event": (
        CHANGE,
        FIRST,
        f"{FIRST} when is_redefined then 'definition changed'",
    ),
    "a merge comes before an event": (
        CHANGE,
        FIRST,
        f"{FIRST} when is_merged then 'profiles merged'",
    ),
    "an edge at the clock of the build before does not count": (
        CHANGE,
        "edge_at >= build_before_at",
        "edge_at > build_before_at",
    ),
    "an edge of long ago counts": (CHANGE, "edge_at >= build_before_at", "edge_at is not null"),
    "an exit has the event of the entry": (
        CHANGE,
        "then segment_intervals.left_event_id",
        "then segment_intervals.entered_event_id",
    ),
    "time that passed is an event": (
        CHANGE,
        "and event_id is not null then 'event'",
        "then 'event'",
    ),
    "an event of long ago is the event of a late one": (
        CHANGE,
        "when cause = 'event' then event_id",
        "when true then event_id",
    ),
    "a change of the past is at its edge": (
        CHANGE,
        r"'segment declared'\) then",
        "'segment declared', 'past changed') then",
    ),
    "another label is an entry": (
        CHANGE,
        "when former_found_to = found_from then 'relabelled'",
        "when false then 'relabelled'",
    ),
    "another label is also an exit": (
        CHANGE,
        r"and \(next_found_from is null or next_found_from > found_to\)",
        "",
    ),
    "merges are ignored": (CHANGE, "when is_merged then", "when false then"),
    "a merge of long ago is a cause": (
        CHANGE,
        "merged_profiles.merged_at > segment_definitions.build_before_at",
        "merged_profiles.merged_at is not null",
    ),
    "a former profile leaves by itself": (
        CHANGE,
        "when current_profile_id <> profile_id then",
        "when false then",
    ),
    "a model of long ago is a cause": (
        CHANGE,
        "trained_as_of > segment_definitions.build_before_at",
        "trained_as_of is not null",
    ),
    "a model that was trained between builds is no cause": (
        CHANGE,
        "new_scores.trained_as_of > segment_definitions.build_before_at or",
        "",
    ),
    "a version stays new": (DEFINITION, "and not versions.was_current", ""),
    "a segment that comes back has never been away": (
        DEFINITION,
        "case when is_current then last_built_at end",
        "last_built_at",
    ),
    "two builds of one clock find changes at one time": (
        "snapshot_time",
        "interval '1 microsecond'",
        "interval '0 microseconds'",
    ),
    "null is true": ("profile_segments", r"\), false \) as", "), true) as"),
    "a reason has no values": (MEMBER, r"json_object\( '[^)]*\)", "json_object()"),
    "intervals of revised profiles are stale": (
        "segment_intervals",
        r"revision > (\d+)",
        r"revision > \1 + 1",
    ),
    "readings of revised profiles are stale": (
        "trait_readings",
        r"revision > (\d+)",
        r"revision > \1 + 1",
    ),
    "former rows of revised profiles stay": (
        "revised",
        "where profile_id in",
        "where false and profile_id in",
    ),
    "rows of profiles that ended stay": (
        "revised",
        "or profile_id not in",
        "or false and profile_id not in",
    ),
}
# The sequence of builds that finds a mutant; the others are found by one of `SEEDS`.
FOUND_BY = {
    "an edit comes before an event": 22,
    "an edge at the clock of the build before does not count": 2,
    "a change of the past is at its edge": 3,
    "another label is an entry": 4,
    "another label is also an exit": 4,
    "a merge of long ago is a cause": 14,
    "a model of long ago is a cause": 2,
    "a model that was trained between builds is no cause": 4,
    "a segment that comes back has never been away": 14,
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_select_is_found(tmp_path, mutant):
    model, pattern, wrong = MUTANTS[mutant]
    seen = []

    def mutated(name, sql):
        if name != model:
            return sql
        broken, count = re.subn(pattern.replace(" ", r"\s+"), wrong, sql)
        seen.append(count)
        return broken

    def differs(seed):
        try:
            checked(tmp_path, seed, mutated)
        except AssertionError:
            return True
        return False

    seeds = [FOUND_BY[mutant]] if mutant in FOUND_BY else SEEDS
    assert any(differs(seed) for seed in seeds) and any(seen)
