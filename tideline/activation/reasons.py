"""Kinds of reasons: what a destination says of a refused row, without what may name a person.

A reason is free text of a vendor, often with the refused value in it. No pattern finds every name,
so only words that are known to name nobody are kept.
"""

from __future__ import annotations

import re

LEFT_OUT = "…"
LONGEST = 200  # characters of a kind
# Words of errors. A word that is also a given or family name in common use is not among them.
_LISTED = """
    a above account accept accepted access active ad add added address addresses after again
    allowed already also an and another answer answered any api archived are as ask associated at
    attribute audience authorized bad banned batch be because been before being below between
    blank blocked body both bounce bounced busy but by can cannot change changed character
    characters cleaned code column columns complained compliance conflict consent constraint
    contact contacts contain contains could country create created credentials data date deleted
    denied deny destination different digits disabled do does domain duplicate duplicated each
    email emails empty encoding enough entity error exceed exceeded exceeds exist existing exists
    expected expired external fail failed failure false few field fields file for forbidden
    forgotten format found from future generic global group had hard has hash hashed have hook
    html http https id identifier identifiers identity ids if ignored in inactive incomplete
    incorrect internal invalid is it item items its json key keys known lacks length less limit
    limits line list lists locked long longer lookup mailbox maintenance malformed many match
    matched member members membership merge merged message method missing mobile more most
    must name named names neither never no nobody nobody's none nor not nothing null number
    numbers object objects of off on once one only operation operations opt optin optout or other
    out over parameter partial permanent permanently permission permissions person phone
    picklist plan policy present previously primary profile profiles property quota range rate
    read reason received record records reference refused rejected relation remove removed
    request requests required resource response result results retry role row rows rule same say
    says schema secondary segment segments sent server service set several short should size
    smaller soft so some spam state status still string subscribe subscribed subscriber
    subscription suppressed suppression table tag tags temporarily temporary than that the their
    them there these this time timeout timestamp to token too tool trait traits true twice type
    unauthorized under undeliverable unexpected unique unknown unprocessable unreadable
    unrecognized unsubscribed unsupported unverified up update updated upsert url use used user
    users valid validation value values violates violation was were what when which while whose
    with within without wrong your
    amazon braze customer customerio facebook hubspot intercom io iterable klaviyo linkedin
    mailchimp meta postgres postgresql s3 salesforce sftp slack webhook zendesk
"""
WORDS = frozenset(_LISTED.split())
PIECE = re.compile(r"\S+")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")  # of codes such as `invalidEmail`
MARKS = ".,:;()!?'\"`[]{}<>="


def kind_of(reason: str) -> str:
    """A reason with `…` in place of each word that may be personal data; at most 200 characters.

    Words of errors stay, codes of such words, and the status codes of HTTP.
    """
    said: list[str] = []
    for piece in PIECE.findall(reason):
        bare = piece.strip(MARKS)
        kept = bare if _is_known(bare) else LEFT_OUT
        end = piece[-1] if piece[-1] in ".:;," and bare else ""
        if kept == LEFT_OUT and said and said[-1].rstrip(".:;,") == LEFT_OUT:
            said[-1] = LEFT_OUT + end
        elif bare:
            said.append(kept + end)
    return " ".join(said)[:LONGEST] or LEFT_OUT


def _is_known(word: str) -> bool:
    if re.fullmatch(r"[1-5]\d\d", word) or word.lower() in WORDS:  # a status of HTTP, `HubSpot`
        return True
    parts = [part for part in re.split(r"[_\-/.]", CAMEL.sub("_", word)) if part]
    return bool(parts) and all(part.lower() in WORDS for part in parts)
