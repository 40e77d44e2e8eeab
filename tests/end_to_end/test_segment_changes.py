"""The change feed names the cause of each change, and its time to the microsecond."""

import json
import subprocess
from datetime import datetime, timedelta

import duckdb
import pytest

from tests.support.deployment import NO_TESTS
from tests.support.edited_project import edited_project

FILE = "activity.yml"
RULE = """owner: Team
segments:
  - name: caller
    description: Uses a feature.
    label: Caller
    when: uses_2d >= 1
    priority: 1
traits:
  - name: uses_2d
    description: Features used in two days.
    event: feature_use
    aggregate: count
    within: 2 days
"""
EXPERIMENT = """experiments:
  - name: calling
    description: Do calls help?
    segments: caller
    arms: {held_out: 0.5, treated: 0.5}
    starts_at: 2026-01-01
    ends_at: 2026-01-04T09:00:00Z
    outcomes:
      - name: used
        event: feature_use
        within: 1 hours
"""
MOMENT = timedelta(microseconds=1)
NO_SHOP = "{shop: false}"


def at(day, hour, minute=0):
    return datetime(2026, 1, day, hour, minute)


def use(number, user, occurred_at, received_at=None, **keys):
    """A used feature, which arrives at once unless it is late."""
    return {
        "messageId": f"m{number}",
        "type": "track",
        "event": "feature_use",
        "timestamp": occurred_at.isoformat() + "Z",
        "receivedAt": (received_at or occurred_at).isoformat() + "Z",
        "properties": {"feature": "search"},
        **({"userId": user} if user else {}),
        **keys,
    }


class Team:
    """A deployment whose declarations are edited between builds."""

    def __init__(self, deployment, folder):
        self.deployment = deployment
        self.project = edited_project(folder, FILE, "traits:\n", RULE)
        self.file = self.project / "models" / "segments" / "traits" / FILE
        self.number, self.seen = 0, set()

    def edit(self, right, wrong):
        text = self.file.read_text()
        assert right in text
        self.file.write_text(text.replace(right, wrong))

    def commit(self, author):
        """Commit the declarations to a repository of the project."""
        name = ["-c", f"user.name={author}", "-c", "user.email=a@example.com"]
        for words in (["init", "-q"], ["add", "-A"], [*name, "commit", "-q", "-m", "Declare"]):
            subprocess.run(["git", *words], cwd=self.project, check=True)

    def land(self, *messages):
        self.number += 1
        path = self.deployment.landing / "events" / f"{self.number}.jsonl"
        path.write_text("\n".join(map(json.dumps, messages)))

    def expect(self, size, fails=False):
        """Declare an expected size, if any, and build with all tests; return the output."""
        if size:
            self.edit("    priority: 1", f"    priority: 1\n    expected: {size}")
        words = ["--project-dir", self.project, "--selector", "segments"]
        return self.deployment.dbt("build", *words, fails=fails, variables=NO_SHOP)

    def delivered(self):
        """The profiles that the destination has got for the segment, after a build and a sync."""
        self.expect(None)
        self.deployment.activate()
        files = self.deployment.deliveries.rglob("*.jsonl")
        rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
        return {row["profile_id"] for row in rows if row["segment_name"] == "caller"}

    def build(self):
        """Build; return the changes that it found: (user, change, cause, changed_at, event_id)."""
        words = ["--indirect-selection", "empty", "--project-dir", self.project]
        self.deployment.dbt("build", *words, "--select", "+segment_changes", variables=NO_SHOP)
        return self.found()

    def rebuild(self):
        """Build after an edit, when nothing has landed; return the changes that it found."""
        words = ["--project-dir", self.project, "--selector", "segments", *NO_TESTS]
        self.deployment.dbt("build", *words, variables=NO_SHOP)
        return self.found()

    def found(self):
        """The changes since the last call, as `build` returns them."""
        rows = self.deployment.query(
            "select change_id, coalesce(id_value, 'x'), change, cause, changed_at, event_id "
            "from segment_changes left join identity_map on "
            "segment_changes.profile_id = identity_map.profile_id and id_type = 'user_id' "
            "order by 2, 3"
        )
        new = [row[1:] for row in rows if row[0] not in self.seen]
        self.seen |= {row[0] for row in rows}
        return new


@pytest.fixture(scope="module")
def team(shared_deployment, tmp_path_factory):
    return Team(shared_deployment, tmp_path_factory.mktemp("team"))


def test_each_change_has_its_cause(team):
    """One test, because each build starts with the result of the one before."""
    team.land(use(1, "a", at(1, 12)), use(2, "d", at(1, 0), event="login"))
    team.commit("Ada O'Neil")
    assert team.build() == [("a", "entered", "segment declared", at(1, 12), None)]
    authors = "select author, length(commit_id) from segment_definitions order by first_built_at"
    assert team.deployment.query(authors) == [("Ada O'Neil", 40)]

    # The clock moves on, and the window of a lapses between the builds.
    team.land(use(3, "b", at(2, 10)), use(4, "d", at(4, 0), event="login"))
    assert team.build() == [
        ("a", "left", "time passed", at(3, 12), None),
        ("b", "entered", "event", at(2, 10), "m3"),
    ]

    # A late event is of a time before the last build; x is a visitor.
    team.land(
        use(5, "c", at(3, 1), at(4, 1)),
        use(6, None, at(4, 2), anonymousId="x"),
    )
    late = at(4, 2) + MOMENT
    assert team.build() == [
        ("c", "entered", "past changed", late, None),
        ("x", "entered", "event", at(4, 2), "m6"),
    ]

    # The visitor signs in as b.
    team.land(use(7, "b", at(4, 3), event="login", anonymousId="x"))
    assert team.build() == [("x", "left", "profiles merged", at(4, 3) + MOMENT, None)]

    # An edit, with no event since; the clock has not moved.
    team.edit("uses_2d >= 1", "uses_2d >= 2")
    edited = at(4, 3) + 2 * MOMENT
    assert team.rebuild() == [("c", "left", "definition changed", edited, None)]
    versions = "select is_current, is_new from segment_definitions order by all"
    assert team.deployment.query(versions) == [(False, False), (True, True)]
    assert team.deployment.query(authors) == [("Ada O'Neil", 40), (None, None)]  # not committed
    # An older log lands, and the clock has still not moved; the meaning does not change.
    team.land(use(9, "e", at(4, 0, 30)), use(10, "e", at(4, 0, 31)))
    team.edit("Uses a feature.", "Uses features.")
    team.edit("uses_2d >= 2", "(uses_2d   >= 2)")
    edited += MOMENT
    assert team.build() == [("e", "entered", "past changed", edited, None)]
    assert len(team.deployment.query(versions)) == 2

    # The table of an earlier release has no columns for commits.
    with duckdb.connect(str(team.deployment.warehouse)) as connection:
        for column in ("author", "commit_id"):
            connection.execute(f"alter table tideline.segment_definitions drop column {column}")
    team.edit("label: Caller", "label: Caller of {uses_2d}")
    team.commit("Grace")
    labelled = edited + MOMENT
    assert team.rebuild() == [
        (user, "relabelled", "definition changed", labelled, None) for user in "be"
    ]
    assert team.deployment.query(authors) == [(None, None), (None, None), ("Grace", 40)]
    team.land(use(8, "b", at(4, 4)))
    assert team.build() == [("b", "relabelled", "values changed", at(4, 4) + MOMENT, None)]

    # A size that is not expected stops the build before the audiences, or is a warning.
    said = team.expect("{least: 5, otherwise: stop}", fails=True)
    alert = "Segment caller (Team): its size is 2; at least 5 is expected"
    assert alert in said and "SKIP relation tideline.activation_audiences" in said
    team.edit("otherwise: stop", "otherwise: warn")
    assert alert in team.expect(None)
    team.edit("{least: 5, otherwise: warn}", "{most: 7, change: 0.5}")
    assert "a day before it was 0; a change of at most 50" in team.expect(None)

    # An example that the rule breaks stops the build before anybody is in the segment.
    event = "{event: feature_use, ago: 1 hour, properties: {feature: search}}"
    example = f"{{name: one use, events: [{event}], is_in: true}}"
    team.edit("    priority: 1", f"    priority: 1\n    examples: [{example}]")
    said = team.expect(None, fails=True)
    assert 'example "one use" (models/segments/traits/activity.yml:' in said
    assert "(uses_2d is 1, 1 too low)" in said
    assert "SKIP relation tideline.segment_memberships" in said
    team.edit("is_in: true", "is_in: false")
    team.edit("change: 0.5", "change: 2")
    said = team.expect(None)
    assert "one use" not in said and "Segment caller" not in said

    team.edit("    priority: 1", "    priority: 1\n    lifecycle: retired")
    ended = at(4, 4) + 2 * MOMENT
    assert team.rebuild() == [(user, "left", "segment ended", ended, None) for user in "be"]
    team.edit("    lifecycle: retired", "    lifecycle: live")
    assert [change[1:3] for change in team.rebuild()] == [("entered", "segment declared")] * 2
    # A warehouse that an earlier version built has a history, but neither causes nor versions.
    with duckdb.connect(str(team.deployment.warehouse)) as connection:
        connection.execute("drop table tideline.segment_changes")
        connection.execute("drop table tideline.segment_definitions")
    team.seen = set()
    team.land(use(11, "f", at(4, 5)), use(12, "f", at(4, 6)))
    assert {cause for _, _, cause, *_ in team.build()} == {"unknown"}
    team.land(use(13, "g", at(4, 7)), use(14, "g", at(4, 8)))
    assert team.build() == [("g", "entered", "event", at(4, 8), "m14")]
    team.deployment.dbt(
        "test", "--select", "segment_changes", "segment_definitions", variables=NO_SHOP
    )

    # Whom an experiment holds out is not delivered, and is after its end.
    team.file.write_text(team.file.read_text() + EXPERIMENT)
    delivered = team.delivered()
    arms = dict(team.deployment.query("select profile_id, arm from experiment_arms"))
    assert {*arms.values()} == {"held_out", "treated"}
    assert delivered == {each for each, arm in arms.items() if arm == "treated"}
    team.land(use(15, "a", at(4, 8, 59)))
    team.edit("held_out: 0.5, treated: 0.5", "held_out: 0.001, treated: 0.999")
    assert team.delivered() == delivered
    assert dict(team.deployment.query("select profile_id, arm from experiment_arms")) == arms
    team.land(use(16, "a", at(4, 9), event="login"))
    team.build()  # only now the data clock is past the end
    members = "select profile_id from segment_memberships where segment_name = 'caller'"
    members = {profile for (profile,) in team.deployment.query(members)}
    assert any(arms.get(each) == "held_out" for each in members)
    assert team.delivered() == members
    results = "select exposed_people, measured_people from experiment_results order by arm"
    for exposed, measured in team.deployment.query(results):
        assert exposed == measured > 0
