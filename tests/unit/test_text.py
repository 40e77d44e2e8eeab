"""Words for people: numbers with what they count, and names without accents."""

import pytest

from tideline.landing.mapping import words
from tideline.landing.plan_check import snake_case
from tideline.text import MOST_NAMED, counted, nearest, similar


def test_what_is_counted_has_the_right_number():
    assert counted(1, "row") == "1 row"
    assert [counted(n, "row") for n in (0, 2, 1017)] == ["0 rows", "2 rows", "1,017 rows"]
    assert [counted(n, "property", "properties") for n in (1, 2)] == ["1 property", "2 properties"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Übung begonnen", "uebung_begonnen"),
        ("Gu\u0308ltig", "gueltig"),  # u and two dots
        ("Größe geändert", "groesse_geaendert"),
        ("Prüfung-Bestanden", "pruefung_bestanden"),
        ("MASZ-ÄNDERUNG", "masz_aenderung"),
        ("Été", "ete"),
        ("naïve São Łódź", "naive_sao_lodz"),
        ("Tårta på ön", "tarta_pa_oen"),
        ("İstanbul", "istanbul"),
    ],
)
def test_a_name_keeps_how_its_letters_are_spelled_in_ascii(text, name):
    assert words(text) == snake_case(text) == name


def test_a_word_is_similar_but_for_case_accents_and_blanks():
    words = ["Geïnd", "Boete betaald", "Opgezegd"]
    found = [similar(word, words) for word in ("GEIND", " boete  betald", "zegt op", "Lening")]
    assert found == ["Geïnd", "Boete betaald", None, None]


def test_of_equally_similar_words_the_first_is_taken():
    assert similar("kopen", ["Kopen!", "kopen?", "KOPEN.", "lopen"]) == "Kopen!"
    assert similar("kopen", ["lopen", "Kopen", "kopen "]) == "Kopen"


def test_of_many_words_an_error_names_the_nearest():
    many = [f"visits_{number}d" for number in range(MOST_NAMED)]
    assert nearest("visits_3", many) == "did you mean `visits_3d`?"
    assert nearest("xyz", many) == f"there are: {', '.join(sorted(many))}"
    assert nearest("xyz", []) == "there are: none"
    many += ["loans", "levy"]
    assert nearest("LEVEL_OF_ALL", many).startswith(f"nearest of {MOST_NAMED + 2}: ")
    named = nearest("level_of_all", many).split(": ")[1].split(", ")
    assert len(named) == 5 and {"levy", "loans"} <= {*named}
