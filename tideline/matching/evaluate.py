"""Precision and recall on generated records with errors like those of FEBRL.

Each person is a contact in the CRM; one in ten is there twice. Most are also in the marketing tool,
retyped: with typos, swapped names, a new address, number or employer. Both systems lack some
attributes. Some people live together: they share a last name, an address and a telephone.
"""

from __future__ import annotations

import random
import string
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import combinations

from tideline.matching.link import Pair, link
from tideline.matching.records import Record, record
from tideline.text import table

SEED = 20260101
STARTS = ["an", "be", "da", "el", "fe", "ha", "jo", "ka", "li", "ma", "pe", "ro", "sa", "ul"]
FIRST = [start + end for start in STARTS for end in ("na", "lix", "ra", "tin", "bert")]
SYLLABLES = [
    "ber",
    "man",
    "son",
    "ley",
    "ford",
    "ton",
    "wick",
    "hart",
    "stein",
    "mar",
    "cox",
    "low",
]
CITIES = ["berlin", "hamburg", "munich", "cologne", "leipzig", "dresden", "bremen", "essen", "ulm"]
STREETS = ["street", "road", "lane", "allee", "weg"]
COMPANIES = [f"{first} {last}" for first in SYLLABLES for last in ("gmbh", "ag", "works", "labs")]

Said = dict[str, str]


def people(count: int, seed: int = SEED) -> tuple[list[Record], set[Pair]]:
    """Records of `count` people, and the pairs of records that are one person."""
    chance = random.Random(seed)
    records, truth = [], set()
    person: Said = {}
    for number in range(count):
        person = somebody(chance, person if chance.random() < 0.1 else {})
        salesforce_id, hubspot_id = f"salesforce_id:{number:06}", f"hubspot_id:{number:06}"
        own = [salesforce_id]
        records.append(record(salesforce_id, "salesforce_id", known(person, chance)))
        if chance.random() < 0.8:
            own.append(hubspot_id)
        if chance.random() < 0.1:
            own.append(f"{salesforce_id}d")
        for copy in own[1:]:
            texts = known(typed_anew(person, chance), chance)
            records.append(record(copy, copy.split(":")[0], texts))
        truth |= set(combinations(sorted(own), 2))
    return records, truth


def somebody(chance: random.Random, partner: Said) -> Said:
    """A new person; with a `partner`, both live together."""
    first, last = chance.choice(FIRST), "".join(chance.sample(SYLLABLES, 2))
    year, month, day = chance.randint(1940, 2008), chance.randint(1, 12), chance.randint(1, 28)
    person = {
        "last_name": last,
        "phone": f"+49 30 {chance.randint(10**6, 10**7 - 1)}",
        "street": f"{chance.choice(SYLLABLES)}{chance.choice(STREETS)} {chance.randint(1, 99)}",
        "postcode": f"{chance.randint(10000, 10999)}",
        "city": chance.choice(CITIES),
    }
    person |= {name: partner[name] for name in person if name in partner}
    mailbox = f"{first}.{person['last_name']}{chance.randint(1, 99)}"
    return person | {
        "first_name": first,
        "email": f"{mailbox}@{chance.choice(['gmail.com', 'web.de', 'gmx.net'])}",
        "birth_date": f"{year}-{month:02}-{day:02}",
        "company": chance.choice(COMPANIES),
    }


def known(person: Said, chance: random.Random) -> Said:
    """The attributes that a system has: the names, and 70% of the others at random."""
    return {
        name: text
        for name, text in person.items()
        if name in ("first_name", "last_name") or chance.random() < 0.7
    }


def typed_anew(person: Said, chance: random.Random) -> Said:
    """The person as retyped in another system, with one to four changes."""
    other = somebody(chance, {})
    copy = dict(person)
    for _ in range(chance.choice([1, 2, 2, 3, 3, 4])):
        name = chance.choice(sorted(copy))
        match chance.choice(["slip", "slip", "slip", "moved", "number", "address", "job"]):
            case "slip":
                copy[name] = slip(copy[name], chance)
            case "moved":
                copy |= {each: other[each] for each in ("city", "postcode", "street")}
            case "number":
                copy["phone"] = other["phone"]
            case "address":
                copy["email"] = other["email"]
            case "job":
                copy["company"] = other["company"]
    if chance.random() < 0.05:
        copy["first_name"], copy["last_name"] = copy["last_name"], copy["first_name"]
    return copy


def slip(text: str, chance: random.Random) -> str:
    """The text with one typo: a letter is missing, added, replaced or swapped."""
    at = chance.randrange(len(text)) if text else 0
    letter = chance.choice(string.ascii_lowercase + string.digits)
    return chance.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + letter + text[at:],
            text[:at] + letter + text[at + 1 :],
            text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
        ]
    )


def alike(records: Sequence[Record], *keys: Collection[str]) -> set[Pair]:
    """The pairs that agree in all attributes of at least one key."""
    found = set()
    for key in keys:
        by_value = defaultdict(list)
        for each in records:
            value = tuple(each[name] for name in key)
            if all(value):
                by_value[value].append(str(each["identifier_id"]))
        for group in by_value.values():
            found |= set(combinations(sorted(group), 2))
    return found


def measure(count: int, threshold: float) -> list[tuple[str, int, float, float]]:
    """One row per method: its name, the number of pairs, their precision and its recall.

    The last row counts only pairs within the CRM.
    """
    records, truth = people(count)
    linked = set(link(records, threshold))
    name = ("first_name", "last_name")
    ways = {
        "email": alike(records, ["email"]),
        "email or phone": alike(records, ["email"], ["phone"]),
        "name and birth date": alike(records, [*name, "birth_date"]),
        "any of these": alike(records, ["email"], ["phone"], [*name, "birth_date"]),
        f"Splink, {threshold:g}": linked,
    }
    of_one_system = f"Splink, {threshold:g}, within the CRM"
    return [
        *(measured(way, found, truth) for way, found in ways.items()),
        measured(of_one_system, within_the_crm(linked), within_the_crm(truth)),
    ]


def measured(way: str, found: set[Pair], truth: set[Pair]) -> tuple[str, int, float, float]:
    """The row of one method: name, number of pairs, precision, recall."""
    right = len(found & truth)
    return way, len(found), right / max(len(found), 1), right / len(truth)


def within_the_crm(pairs: set[Pair]) -> set[Pair]:
    """The pairs of which both records are in the CRM."""
    return {pair for pair in pairs if all(each.startswith("salesforce_id:") for each in pair)}


def evaluation(count: int, threshold: float) -> str:
    """The measures as a table of text."""
    return table(("same", "pairs", "precision", "recall"), measure(count, threshold))
