"""Identifiers of people: normalized and hashed as each vendor documents; nothing else is hashed."""

import hashlib
from itertools import chain

import pytest

from tideline.activation.destinations.identifiers import (
    GOOGLE,
    LINKEDIN,
    META,
    TIKTOK,
    UnusableError,
    normalized,
    taken,
)

VENDORS = {"meta": META, "google": GOOGLE, "tiktok": TIKTOK, "linkedin": LINKEDIN}
EMAILS = [META["EMAIL"], GOOGLE["emailAddress"], TIKTOK["EMAIL_SHA256"], LINKEDIN["SHA256_EMAIL"]]
PHONES = [META["PHONE"], GOOGLE["phoneNumber"], TIKTOK["PHONE_SHA256"]]
RULES = list(chain.from_iterable(each.values() for each in VENDORS.values()))


# The examples of Meta's pages on Custom Audiences and on customer information parameters.
@pytest.mark.parametrize(
    ("name", "value", "text", "digest"),
    [
        (
            "EMAIL", "John_Smith@gmail.com", "john_smith@gmail.com",
            "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
        ),
        (
            "EMAIL", " mary@example.com ", "mary@example.com",
            "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79",
        ),
        (
            "PHONE", "(650)555-1212", "16505551212",
            "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
        ),
        (
            "PHONE", "15559876543", "15559876543",
            "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e",
        ),
        (
            "FN", "Mary", "mary",
            "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
        ),
        ("FN", "정", "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
        (
            "FN", "Valéry", "valéry",
            "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c",
        ),
        (
            "COUNTRY", "US", "us",
            "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621",
        ),
    ],
)  # fmt: skip
def test_the_examples_of_meta(name, value, text, digest):
    assert normalized(META[name], value, "1") == text
    assert taken(META[name], value, "1") == digest


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("LN", "O'Brien-Smith", "obriensmith"),
        ("FN", "Vale\u0301ry", "valéry"),  # the accent as a character of its own
        ("CT", "New York", "newyork"),
        ("CT", "St. Gallen", "stgallen"),
        ("ST", "CA", "ca"),
        ("ZIP", "94035-1234", "94035"),
        ("ZIP", "940351234", "94035"),
        ("ZIP", "M1 1AE", "m11ae"),
        ("ZIP", "75018", "75018"),
        ("ZIP", "1234-567", "1234567"),
    ],
)
def test_names_and_places_of_meta(name, value, text):
    assert normalized(META[name], value) == text


def test_meta_takes_ids_unhashed():
    device = "AECE52E7-03EE-455A-B3C4-E57283966239"
    assert taken(META["MADID"], device) == device.lower()
    assert taken(META["EXTERN_ID"], "Loyal-7") == "Loyal-7"
    assert taken(META["EXTERN_ID"], 7) == "7"


# The examples of Google's pages on formatting and on sending audience members.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("cloudy.sanfrancisco+shopping@gmail.com", "cloudysanfrancisco@gmail.com"),
        ("user.name+NYC@Example.com", "user.name+nyc@example.com"),
        ("cloudySanFrancisco@GMAIL.com", "cloudysanfrancisco@gmail.com"),
        ("A.B+c@googlemail.com", "ab@googlemail.com"),
        ("baklavainthebalkans@gmail.com  ", "baklavainthebalkans@gmail.com"),
        ("quinn @CYMBALGROUP.com", "quinn@cymbalgroup.com"),
        ("a.b@gmail.com.example.org", "a.b@gmail.com.example.org"),
    ],
)
def test_the_addresses_of_google(value, text):
    assert normalized(GOOGLE["emailAddress"], value) == text


def test_the_hashes_of_google():
    assert taken(GOOGLE["emailAddress"], "DanaM@example.com") == (
        "1df6b43bc68dd38eca94e6a65b4f466ae537b796c81a526918b40ac4a7b906c7"
    )
    assert normalized(GOOGLE["phoneNumber"], "(800) 555-0100", "1") == "+18005550100"
    assert taken(GOOGLE["phoneNumber"], "+1 800 555 0100") == (
        "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30"
    )
    assert taken(GOOGLE["regionCode"], "us") == "US"
    assert taken(GOOGLE["postalCode"], "94045-1234") == "94045-1234"


def test_the_examples_of_tiktok():
    assert normalized(TIKTOK["EMAIL_SHA256"], "Firstname-Lastname@gmail.com") == (
        "firstname-lastname@gmail.com"
    )
    assert normalized(TIKTOK["EMAIL_SHA256"], "a.b+news+x@example.org") == "a.b@example.org"
    assert normalized(TIKTOK["PHONE_SHA256"], "(657)777-0000", "1") == "+16577770000"
    assert normalized(TIKTOK["PHONE_SHA256"], "+374-93-828222") == "+37493828222"


def test_linkedin_takes_addresses_without_white_space():
    assert normalized(LINKEDIN["SHA256_EMAIL"], " Ada @Example.com") == "ada@example.com"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("value", [None, "", "  ", "\t\n", True, 1.5, [], {}])
def test_nothing_is_never_hashed(rule, value):
    with pytest.raises(UnusableError):
        taken(rule, value, "1")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_hash_is_refused_with_the_fix(rule, case):
    digest = case(hashlib.sha256(b"ada@example.com").hexdigest())
    with pytest.raises(UnusableError, match="already hashed; send the column with the plain value"):
        taken(rule, digest, "1")


@pytest.mark.parametrize("rule", EMAILS)
@pytest.mark.parametrize(
    "value",
    [
        "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "a@b@example.com",
        "ada@example.com.", "ada@.com", "ada@a..com", "Ada <ada@example.com>",
        "mailto:ada@example.com", "ada@example.com;bob@example.com", "n/a",
    ],
)  # fmt: skip
def test_what_is_no_address_is_not_hashed(rule, value):
    with pytest.raises(UnusableError, match="is not an email address"):
        taken(rule, value)


def test_an_address_of_gmail_needs_a_name():
    for value in ("+news@gmail.com", "...@gmail.com"):
        with pytest.raises(UnusableError):
            taken(GOOGLE["emailAddress"], value)
    with pytest.raises(UnusableError):
        taken(TIKTOK["EMAIL_SHA256"], "+news@example.com")


@pytest.mark.parametrize(
    ("value", "code", "digits"),
    [
        ("+44 844 412 4653", None, "448444124653"),
        ("0044 844 412 4653", None, "448444124653"),
        ("+44 (0)20 7946 0958", None, "442079460958"),
        ("1-234-567-8910", "1", "12345678910"),
        ("+1 650.555.1212", "49", "16505551212"),
        ("030 / 123 456", "49", "4930123456"),
        ("06 1234 5678", "39", "390612345678"),  # Italy dials the zero
        ("612 34 56 78", "34", "34612345678"),
        ("\uff0b49\uff13\uff10123456", None, "4930123456"),  # characters of full width
        (16505551212, "1", "16505551212"),
    ],
)
def test_phone_numbers_get_a_country_code(value, code, digits):
    assert normalized(META["PHONE"], value, code) == digits
    assert normalized(GOOGLE["phoneNumber"], value, code) == f"+{digits}"


@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        ("030 123456", None, "set `country_code`"),
        ("4915112345678", "49", "may or may not begin with the country code 49"),
        ("5551212", "1", "no number of North America"),
        ("011 44 20 7946 0958", "1", "no number of North America"),
        ("+1 650 555 1212 ext. 5", None, "remove letters, extensions"),
        ("1-800-FLOWERS", "1", "remove letters, extensions"),
        ("+12345", None, "7 to 15 digits"),
        ("+1234567890123456", None, "7 to 15 digits"),
        ("+0301234567", None, "7 to 15 digits"),
        ("0000000000", "49", "7 to 15 digits"),
        ("unknown", "1", "remove letters"),
        ("+", None, "than a phone number"),
    ],
)
def test_a_doubtful_phone_number_is_not_hashed(value, code, why):
    for rule in PHONES:
        with pytest.raises(UnusableError, match=why):
            taken(rule, value, code)


@pytest.mark.parametrize("value", ["United States", "USA", "uk", "UK", "u1"])
def test_what_is_no_country_code_is_not_sent(value):
    for rule in (META["COUNTRY"], GOOGLE["regionCode"]):
        with pytest.raises(UnusableError, match="gb"):
            taken(rule, value)


@pytest.mark.parametrize("value", ["🎉", "...", "'"])
def test_a_name_of_symbols_is_not_hashed(value):
    for name in ("FN", "LN", "CT", "ST"):
        with pytest.raises(UnusableError):
            taken(META[name], value)
