"""Random arrivals, merges and edits from build to build."""

from collections import Counter
from datetime import timedelta

from tests.support.random_traits import CLOCKS, EDGES, LENGTHS, NEAR, NUMBERS, TOPICS, WHERES
from tests.support.segment_builds import Known
from tests.support.trait_reference import MOMENT, PLAN, length

PEOPLE = ("p", "q", "r")
CONDITIONS = {
    "number": ("{0} >= 1", "{0} >= 2", "{0} = 0", "{0} is null", "{0} between 1 and 3.5"),
    "boolean": ("{0}", "not {0}"),
}
KINDS = {"exists": "boolean", "count": "number", "sum": "number", "max": "number"}
BASE = {"description": "Text.", "owner": "Team", "lifecycle": "live"}
# Rules without intervals, by the column that they read.
OTHERS = {"recency": ("recency > 1", "recency > 2"), "churn_score": ("churn_score > 0.5",)}


def random_trait(chance, name):
    """A trait over events with a window, an end or steps before it, or none of them."""
    aggregate = chance.choice([*KINDS])
    trait = {"name": name, "description": "Text.", "event": ["loan"], "aggregate": aggregate}
    if aggregate in ("sum", "max"):
        trait["property"] = "price"
    if chance.random() < 0.2:
        trait["where"] = chance.choice(WHERES)
    for key, share in (("within", 0.7), ("before", 0.2)):
        if chance.random() < share:
            trait[key] = chance.choice(LENGTHS)
    if chance.random() < 0.3:
        trait["until"] = [chance.choice(("visit", "call"))]
    if chance.random() < 0.2:
        trait["after"] = [{"event": ["visit"], "within": chance.choice(LENGTHS)}]
    return trait


class Team:
    """What a team has declared, and edits. `meanings` are what decides who is in a live segment,
    and with which label. `reads` is the column that a segment reads.
    """

    def __init__(self, chance):
        self.chance = chance
        self.traits = {name: random_trait(chance, name) for name in ("t0", "t1", "t2")}
        self.reads = {f"s_{name}": name for name in self.traits}
        self.reads |= {"s_feature": "recency", "s_scored": "churn_score"}
        self.segments = {
            name: {"name": name, "priority": place} | BASE
            for place, name in enumerate(self.reads, 1)
        }
        self.rules = {name: self._rule(name) for name in self.segments}
        for name in self.segments:
            self._write(name, chance.random() < 0.5)

    def edit(self):
        """One edit; some change no meaning."""
        name = self.chance.choice([*self.segments])
        segment = self.segments[name]
        edit = self.chance.choice(("rule", "label", "lifecycle", "blanks", "description", "trait"))
        if edit == "rule":
            self.rules[name] = self._rule(name)
            self._write(name, "{" in segment["label"])
        elif edit == "label":
            self._write(name, "{" not in segment["label"])
        elif edit == "lifecycle":
            others = {"live": ("draft", "retired")}.get(segment["lifecycle"], ("live",))
            segment["lifecycle"] = self.chance.choice(others)
        elif edit == "blanks":
            segment["when"] = f"( {self.rules[name]} )"
        elif edit == "description":
            segment["description"] += " More."
        else:
            trait = self.traits[self.chance.choice([*self.traits])]
            trait["within"] = self.chance.choice(LENGTHS)

    @property
    def content(self):
        """The content of the declaration file."""
        return {"traits": [*self.traits.values()], "segments": [*self.segments.values()]}

    @property
    def meanings(self):
        """By live segment: the rule, the label, and the trait that both read."""
        return {
            name: (self.rules[name], each["label"], str(self.traits.get(self.reads[name])))
            for name, each in self.segments.items()
            if each["lifecycle"] == "live"
        }

    def _rule(self, name):
        column = self.reads[name]
        if column in OTHERS:
            return self.chance.choice(OTHERS[column])
        return self.chance.choice(CONDITIONS[KINDS[self.traits[column]["aggregate"]]]).format(
            column
        )

    def _write(self, name, with_value):
        self.segments[name]["when"] = self.rules[name]
        self.segments[name]["label"] = f"Has {{{self.reads[name]}}}" if with_value else "Text"


class World:
    """What has arrived, whose it is, and what the models before the segments know."""

    def __init__(self, chance):
        self.chance, self.as_of, self.number = chance, CLOCKS[0], 0
        self.batches, self.merged_into, self.merges = [], {each: each for each in PEOPLE}, {}
        self.features = {each: [1, 0.4] for each in PEOPLE}
        self.trained_as_of = CLOCKS[0]
        self.seen = Counter()

    def step(self):
        """What a build knows after more has happened; nothing, or many things at once."""
        chance, before = self.chance, self.as_of
        if self.batches and chance.random() < 0.07:
            self.batches.remove(chance.choice(self.batches))
            self.seen["taken back"] += 1
        elif chance.random() < 0.9:
            self.batches.append(self._arrivals())
        landed = [each for batch in self.batches for each in batch]
        self.as_of = max((at for at, _ in landed), default=CLOCKS[0]) + MOMENT
        if chance.random() < 0.25:
            self._merge()
        for profile in PEOPLE:
            if chance.random() < 0.15:
                self.features[profile][0] = chance.randrange(4)
        if chance.random() < 0.3:
            # In this build, or in a run of the models alone since the build before.
            is_alone = self.as_of > before and chance.random() < 0.5
            self.trained_as_of = before + (self.as_of - before) / 2 if is_alone else self.as_of
            for feature in self.features.values():
                feature[1] = chance.choice((0.2, 0.7))
        return self._known(landed)

    def _arrivals(self):
        """Messages as (time of arrival, event): at once, late, again, none new, or on an edge."""
        chance, found = self.chance, []
        former = [event for batch in self.batches for _, event in batch]
        moves = chance.random() < 0.8
        now = self.as_of - MOMENT
        edges = [at for each in former for at in self._edges(each) if at > now]
        if moves and edges and chance.random() < 0.6:  # the clock is on the edge of a window
            now = max(now, chance.choice(sorted(edges)[:3]) + chance.choice(NEAR))
        elif moves:
            now += chance.choice((MOMENT, timedelta(hours=1), timedelta(hours=13), timedelta(2)))
        for _ in range(chance.choice((1, 1, 2, 3)) if former else 6):
            if former and chance.random() < 0.15:
                found.append((now, chance.choice(former)))
                self.seen["again"] += 1
                continue
            if chance.random() < 0.5:
                at = now
            else:
                at = min(now, self.as_of - chance.choice(EDGES) + chance.choice(NEAR))
                self.seen["late"] += at < self.as_of
            found.append((now if moves else max(at, self.as_of - MOMENT), self._event(at)))
        return found

    def _edges(self, event):
        """When an event ceases to be in a window."""
        return [event["occurred_at"] + length(each) for each in LENGTHS]

    def _event(self, occurred_at):
        chance = self.chance
        self.number += 1
        name = chance.choice(("loan", "loan", "loan", *PLAN))
        values = {
            prop: chance.choice(NUMBERS if kind == "number" else TOPICS)
            for prop, kind in PLAN[name].items()
            if chance.random() < 0.8
        }
        return {
            "profile_id": chance.choice(PEOPLE),
            "event_id": f"e{chance.randrange(4)}-{self.number}",
            "event_name": name,
            "occurred_at": occurred_at,
            "properties": values,
        }

    def _merge(self):
        """Two people turn out to be one, or one person two."""
        former = self.chance.choice(PEOPLE)
        current = self.chance.choice(PEOPLE)
        if self.merged_into[former] != former:
            self.merged_into[former] = former
        elif self.merged_into[current] == current:
            for each, target in self.merged_into.items():
                if target == former:
                    self.merged_into[each] = current

    def _known(self, landed):
        first = {event["event_id"]: event for _, event in landed}
        events = [
            each | {"profile_id": self.merged_into[each["profile_id"]]} for each in first.values()
        ]
        alive = {each["profile_id"] for each in events}
        aliases = {
            each: current if current in alive else None
            for each, current in self.merged_into.items()
        }
        self._keep_merges(aliases)
        return Known(
            as_of=self.as_of,
            events=events,
            aliases=aliases,
            merges=[*self.merges.values()],
            features={name: tuple(self.features[name]) for name in alive},
            trained_as_of=self.trained_as_of,
        )

    def _keep_merges(self, aliases):
        """A merge keeps the clock of the build that found it, while it leads to one profile."""
        for each, current in aliases.items():
            if current in (None, each):
                self.merges.pop(each, None)
            elif each not in self.merges or aliases[self.merges[each][0]] != current:
                self.merges[each] = current, self.as_of
                self.seen["merged"] += 1
