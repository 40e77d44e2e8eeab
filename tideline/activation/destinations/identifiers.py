"""Identifiers of people as advertising vendors take them: normalized, then hashed by SHA-256.

Each vendor has a table: its name of an identifier, and the rule that it documents. A value that
does not fit is refused, because the hash of anything else is a valid hash of nobody.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class UnusableError(ValueError):
    """A value that is no identifier of its kind. The text says what is wrong, without the value."""


@dataclass(frozen=True)
class Rule:
    """How a vendor takes one kind of identifier.

    `steps` are applied in order. `form` is what the result must look like, `asked` says it in
    words. `is_phone`: first brought into international form, which needs a country code.
    `as_hash`: a sync's key `hash` gives the same, SHA-256 of the trimmed text in lower case.
    """

    form: str
    asked: str
    steps: tuple[Callable[[str], str], ...] = ()
    is_hashed: bool = True
    is_phone: bool = False
    as_hash: bool = False


def taken(rule: Rule, value: Any, country_code: str | None = None) -> str:
    """A value as the vendor takes it. Raises UnusableError.

    `country_code` is that of phone numbers without one, in digits.
    """
    text = normalized(rule, value, country_code)
    return hashlib.sha256(text.encode()).hexdigest() if rule.is_hashed else text


def normalized(rule: Rule, value: Any, country_code: str | None = None) -> str:
    """A value in the form in which it is hashed. Raises UnusableError."""
    if value is None:
        raise UnusableError("is null; name the column in `require`, so that the row is not sent")
    if isinstance(value, bool | float | list | dict):
        raise UnusableError(f"is no text; it must be {rule.asked}")
    # One character may have several encodings, whose hashes differ.
    text = unicodedata.normalize("NFC", str(value)).strip()
    if not text:
        raise UnusableError(f"is empty; it must be {rule.asked}")
    if DIGEST.fullmatch(text):
        raise UnusableError(
            "is already hashed; send the column with the plain value, which is normalized and "
            "hashed here"
        )
    if rule.is_phone:
        text = international(text, country_code)
    for step in rule.steps:
        text = step(text)
    if not re.fullmatch(rule.form, text):
        raise UnusableError(f"is not {rule.asked}")
    return text


def international(text: str, country_code: str | None) -> str:
    """The digits of a phone number, from the country code on. Raises UnusableError.

    A number without `+` or `00` is a national one. It is refused if it may already have the
    country code, because either reading may be somebody's number.
    """
    text = unicodedata.normalize("NFKC", text)  # digits and plus signs of full width
    if not re.fullmatch(r"\+?[0-9()\s./\u2010-\u2015\u2212-]+", text):
        raise UnusableError("has other characters than a phone number; remove letters, extensions")
    digits = re.sub(r"[^0-9]", "", text)
    if text.startswith("+") or digits.startswith("00"):
        # `+44 (0)20 ...` shows the zero that is dialled inside the country
        digits = re.sub(r"[^0-9]", "", re.sub(r"\(0\)", "", text)).removeprefix("00")
    elif country_code is None:
        raise UnusableError(
            "has no country code; write `+` and the country code in front, or set `country_code`"
        )
    elif country_code == "1":
        if not re.fullmatch(r"1?[2-9][0-9]{9}", digits):
            raise UnusableError("is no number of North America; write `+` and the country code")
        digits = f"1{digits[-10:]}"
    elif digits.startswith(country_code):
        raise UnusableError(
            f"may or may not begin with the country code {country_code}; write `+` in front of it"
        )
    else:
        # Italy and San Marino keep the zero of a national number.
        national = digits if country_code in ("39", "378") else digits.lstrip("0")
        digits = country_code + national
    if not re.fullmatch(r"[1-9][0-9]{6,14}", digits):
        raise UnusableError("is no phone number of 7 to 15 digits with a country code")
    return digits


def lower(text: str) -> str:
    """In lower case."""
    return text.lower()


def upper(text: str) -> str:
    """In upper case."""
    return text.upper()


def plus(digits: str) -> str:
    """Digits with `+` in front, as E.164 writes a phone number."""
    return f"+{digits}"


def joined(text: str) -> str:
    """Without white space, also within."""
    return re.sub(r"\s", "", text)


def without_punctuation(text: str) -> str:
    """Without punctuation and symbols, and without white space left at the ends."""
    return "".join(c for c in text if unicodedata.category(c)[0] not in "PS").strip()


def five_digits(text: str) -> str:
    """The first five digits of a ZIP code of the US, other codes unchanged."""
    return text[:5] if re.fullmatch(r"[0-9]{5}-?[0-9]{4}", text) else text


def without_dash(text: str) -> str:
    """Without dashes."""
    return text.replace("-", "")


def without_suffix(email: str) -> str:
    """Without `+` and what follows it, up to `@`."""
    return re.sub(r"\+[^@]*@", "@", email)


def as_gmail(email: str) -> str:
    """An address of Gmail without dots and suffix before `@`; others unchanged."""
    name, at, domain = email.partition("@")
    if domain not in ("gmail.com", "googlemail.com"):
        return email
    return name.split("+")[0].replace(".", "") + at + domain


WORD = r'[^@\s<>()\[\],;:"\\]+'
ADDRESS = rf"{WORD}@(?!\.)(?!.*\.\.){WORD}\.{WORD}(?<!\.)"
EMAIL_ASKED = "an email address, such as ada@example.com"
PHONE_ASKED = "a phone number with its country code, such as +16505551212"
COUNTRY_ASKED = "a country code of two letters by ISO 3166-1, such as us or gb"
COUNTRY = r"(?!uk)(?!UK)([a-z]{2}|[A-Z]{2})"  # the code of the United Kingdom is gb

# https://developers.facebook.com/documentation/ads-commerce/marketing-api/audiences/guides/custom-audiences
META: Mapping[str, Rule] = {
    "EMAIL": Rule(ADDRESS, EMAIL_ASKED, (lower,), as_hash=True),
    "PHONE": Rule(r"[0-9]+", PHONE_ASKED, is_phone=True),
    "FN": Rule(r".+", "a first name", (lower, without_punctuation)),
    "LN": Rule(r".+", "a last name", (lower, without_punctuation)),
    "CT": Rule(r".+", "a city", (lower, without_punctuation, joined)),
    "ST": Rule(r".+", "a state or province", (lower, without_punctuation, joined)),
    "ZIP": Rule(r"\w+", "a postal code", (lower, joined, five_digits, without_dash)),
    "COUNTRY": Rule(COUNTRY, COUNTRY_ASKED, (lower,)),
    "MADID": Rule(r"[0-9a-f-]{36}", "an advertising id of a device", (lower,), is_hashed=False),
    "EXTERN_ID": Rule(r".+", "an id of your own", is_hashed=False),
}

# https://developers.google.com/data-manager/api/devguides/concepts/formatting
GOOGLE: Mapping[str, Rule] = {
    "emailAddress": Rule(ADDRESS, EMAIL_ASKED, (joined, lower, as_gmail)),
    "phoneNumber": Rule(r"\+[0-9]+", PHONE_ASKED, (plus,), is_phone=True),
    "givenName": Rule(r".+", "a first name", (lower,)),
    "familyName": Rule(r".+", "a last name", (lower,)),
    "regionCode": Rule(COUNTRY, COUNTRY_ASKED, (upper,), is_hashed=False),
    "postalCode": Rule(r".+", "a postal code", is_hashed=False),
}

# https://ads.tiktok.com/help/article/list-of-supported-ids-and-formats-for-a-customer-file
# The page is about files, whose phone numbers have no plus sign. The API takes them by E.164.
TIKTOK: Mapping[str, Rule] = {
    "EMAIL_SHA256": Rule(ADDRESS, EMAIL_ASKED, (lower, without_suffix)),
    "PHONE_SHA256": Rule(r"\+[0-9]+", PHONE_ASKED, (plus,), is_phone=True),
}

# https://learn.microsoft.com/en-us/linkedin/marketing/matched-audiences/create-and-manage-segment-users
LINKEDIN: Mapping[str, Rule] = {
    "SHA256_EMAIL": Rule(ADDRESS, EMAIL_ASKED, (joined, lower), as_hash=True),
}
