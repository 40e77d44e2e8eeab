"""Lists of people include and exclude, with exact times and their own cause."""

import json
import shutil
from datetime import datetime, timedelta

import pytest

from tests.support.edited_project import edited_project
from tideline.declarations.segments import read_segments, read_traits
from tideline.segments.models import plan_rows
from tideline.segments.preview import preview
from tideline.warehouse.connection import DuckDBWarehouse

FILE = "activity.yml"
DECLARED = """owner: Team
segments:
  - name: active
    description: Uses a feature, and is not of the staff.
    label: Active
    when: uses_2d >= 1 and not is_staff
    priority: 1
  - name: guest
    description: A guest, whatever they do.
    label: Guest
    when: is_guest
    priority: 2
traits:
  - name: is_staff
    description: Works here.
    aggregate: listed
    list: staff
  - name: is_guest
    description: Is invited.
    aggregate: listed
    list: guests
  - name: uses_2d
    description: Features used in two days.
    event: feature_use
    aggregate: count
    within: 2 days
"""
CAMPAIGN = """  - name: campaign
    description: Whom we write to.
    label: Campaign
    when: uses_2d >= 1
    frozen_at: {}
    priority: 3
"""
MOMENT = timedelta(microseconds=1)
NO_SHOP = "{shop: false}"
HEAD = "list_name,id_type,id_value,listed_from,listed_until,note\n"


def at(day, hour):
    return datetime(2026, 1, day, hour)


class Desk:
    """A deployment with lists that are edited between builds."""

    def __init__(self, deployment, folder):
        self.deployment, self.seen, self.number = deployment, set(), 0
        self.project = edited_project(folder, FILE, "traits:\n", DECLARED)
        (self.project / "seeds").unlink()
        shutil.copytree("seeds", self.project / "seeds")

    def edit(self, right, wrong):
        path = self.project / "models" / "segments" / "traits" / FILE
        text = path.read_text()
        assert right in text
        path.write_text(text.replace(right, wrong, 1))

    def preview(self, name):
        """The preview of a segment on what is built."""
        segments = {each.name: each for each in read_segments(self.project, has_shop=False)}
        traits = read_traits(self.project, has_shop=False)
        plan = plan_rows(self.project / "seeds")
        with DuckDBWarehouse(self.deployment.warehouse, read_only=True) as warehouse:
            return preview(warehouse, segments[name], traits, plan)

    def write(self, *rows):
        text = HEAD + "".join(f"{row}\n" for row in rows)
        (self.project / "seeds" / "lists.csv").write_text(text)

    def land(self, user, occurred_at, event="login", **keys):
        self.number += 1
        time = occurred_at.isoformat() + "Z"
        message = {"messageId": f"m{self.number}", "type": "track", "event": event, "userId": user}
        message |= {"timestamp": time, "receivedAt": time, "properties": {"feature": "search"}}
        path = self.deployment.landing / "events" / f"{self.number}.jsonl"
        path.write_text(json.dumps(message | keys))

    def dbt(self, command, *words, fails=False):
        words = [*words, "--project-dir", self.project]
        return self.deployment.dbt(command, *words, fails=fails, variables=NO_SHOP)

    def build(self):
        """Build; return the changes that it found: (user, segment, change, cause, changed_at)."""
        self.dbt("build", "--indirect-selection", "empty", "--select", "+segment_changes")
        rows = self.deployment.query(
            "select change_id, id_value, segment_name, change, cause, changed_at "
            "from segment_changes join identity_map using (profile_id) where id_type = 'user_id' "
            "order by 2, 3"
        )
        new = [row[1:] for row in rows if row[0] not in self.seen]
        self.seen |= {row[0] for row in rows}
        return new


@pytest.fixture(scope="module")
def desk(shared_deployment, tmp_path_factory):
    return Desk(shared_deployment, tmp_path_factory.mktemp("desk"))


def test_a_list_includes_and_excludes(desk):
    """One test, because each build starts with the result of the one before."""
    desk.write("staff,user_id, s ,,,", "guests,user_id,g,,,")
    desk.land("a", at(1, 12), "feature_use")
    desk.land("s", at(1, 13), "feature_use")
    assert desk.build() == [("a", "active", "entered", "segment declared", at(1, 12))]

    # s is no longer staff and uses the feature as a customer; a is staff; the guest appears.
    desk.write(
        "staff,user_id,s,,2026-01-02T06:00:00Z,left",
        "staff,user_id,a,2026-01-02 11:00,,",
        "guests,user_id,g,,,",
    )
    desk.land("g", at(2, 10))
    desk.land("d", at(2, 12))
    assert desk.build() == [
        ("a", "active", "left", "list changed", at(2, 11)),
        ("g", "guest", "entered", "event", at(2, 10)),
        ("s", "active", "entered", "list changed", at(2, 6)),
    ]
    desk.dbt("build", "--selector", "segments")  # with all data tests
    why = desk.deployment.run("tideline", "why", "a", "active")
    assert "(is_staff is true)" in why
    assert "until 2026-01-02 11:00:00 UTC, by the list `staff`." in why

    # Rows are deleted, and one is of the past. A visitor on a list is a, too.
    desk.write(
        "staff,user_id,a,2026-01-02 11:00,,",
        "guests,user_id,d,2026-01-01,,",
        "guests,anonymous_id,v,,2026-01-05,",
    )
    desk.land("a", at(2, 13), anonymousId="v")
    found = at(2, 13) + MOMENT
    assert desk.build() == [
        ("a", "guest", "entered", "list changed", found),
        ("d", "guest", "entered", "list changed", found),
        ("g", "guest", "left", "past changed", found),
    ]


def test_a_frozen_segment_keeps_its_members(desk):
    """Those of just before one o'clock: a, long inactive by now, and not s, who came at one."""
    frozen_at = "2026-01-01 13:00:00"
    desk.edit("traits:\n", CAMPAIGN.format(frozen_at) + "traits:\n")
    desk.land("d", at(9, 12))
    assert ("a", "campaign", "entered", "segment declared", at(1, 12)) in desk.build()
    members = (
        "select id_value, valid_until, reason_values::text from segment_memberships "
        "join identity_map using (profile_id) "
        "where id_type = 'user_id' and segment_name = 'campaign'"
    )
    assert desk.deployment.query(members) == [("a", None, "{}")]
    said = desk.deployment.run("tideline", "why", "a", "campaign")
    assert "The segment is frozen at 2026-01-01 13:00:00 UTC." in said

    # Frozen a moment later, s is in it as well: by the preview, and by the build.
    desk.edit(frozen_at, "2026-01-01 13:00:00.000001")
    previewed = desk.preview("campaign")
    assert (previewed.size, previewed.before, previewed.enters, previewed.leaves) == (2, 1, 1, 0)
    assert [*previewed.past.sizes.values()][-8:] == [2] * 8
    entered = [change for change in desk.build() if change[1] == "campaign"]
    assert [change[:4] for change in entered] == [
        ("s", "campaign", "entered", "definition changed")
    ]


def test_a_wrong_row_stops_the_build(desk):
    """A list that no trait reads is only a warning, and so is a person whom no event names."""
    unknown = "assert_listed_people_are_known"
    desk.write("staff,user_id, a,,,", "staff,user_id,aa,,,")
    assert f"WARN 1 {unknown}" in desk.dbt("build", "--select", "lists", "traits", unknown)
    desk.write(
        "staff,user_id,a,2026-02-30,,",
        "staff,user_id,a,2026-02-03,2026-02-02,",
        "staff,user_ids,a,,,",
        "staff,user_id,,,,",
        "stuff,user_id,a,,,",
    )
    said = desk.dbt("build", "--select", "lists", "profile_lists", "traits", fails=True)
    assert "FAIL 2 assert_lists_have_valid_times" in said
    assert "FAIL 1 relationships_lists_id_type" in said and "FAIL 1 not_null_lists_id_value" in said
    assert "SKIP relation tideline.profile_lists" in said
    assert "WARN 1 lists_are_read_by_a_trait" in said
