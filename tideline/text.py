"""Text for people: counts, suggestions for misspelled words, safe quoting, tables."""

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

# Letters as their languages spell them without accents: German ä, ö, ü, and those without a base.
LETTERS = {"ä": "ae", "Ä": "AE", "ö": "oe", "Ö": "OE", "ü": "ue", "Ü": "UE", "ß": "ss", "ẞ": "SS"}
LETTERS |= {"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
LETTERS |= {"đ": "d", "Đ": "D", "ð": "d", "þ": "th", "ı": "i"}
LONGEST_SHOWN = 60
MOST_NAMED = 20  # words that an error lists; of more, only the NEAREST_NAMED most similar
NEAREST_NAMED = 5
LEAST_SIMILAR = 0.75  # as `SequenceMatcher` counts


def nearest(word: object, words: Iterable[str]) -> str:
    """The end of an error message: the most similar of `words`; if none is similar all of them, of
    many the nearest.
    """
    by_fold = {str(each).lower(): str(each) for each in sorted(words, key=str)}
    folded = str(word).lower()
    if near := get_close_matches(folded, by_fold, n=1, cutoff=0.5):
        return f"did you mean `{by_fold[near[0]]}`?"
    if len(by_fold) > MOST_NAMED:
        near = get_close_matches(folded, by_fold, n=NEAREST_NAMED, cutoff=0)
        return f"nearest of {len(by_fold)}: {', '.join(by_fold[each] for each in near)}"
    return f"there are: {', '.join(by_fold.values()) or 'none'}"


def similar(word: str, words: Iterable[str]) -> str | None:
    """The most similar of `words` without regard to case, accents and blanks, of several the first;
    None if none is similar.
    """
    matcher = SequenceMatcher(b=_folded(word))
    best, found = LEAST_SIMILAR, None
    for each in words:
        matcher.set_seq1(_folded(each))
        bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
        if all(bound() >= best for bound in bounds) and (not found or matcher.ratio() > best):
            best, found = matcher.ratio(), each
    return found


def _folded(text: str) -> str:
    """A text without what is easily mistaken: case, accents, blanks."""
    bare = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in bare if not unicodedata.combining(c) and not c.isspace())


def counted(number: int, one: str, several: str = "") -> str:
    """A number and what it counts: `1 row`, `1,017 rows`; another plural than `-s` is given."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def plain(text: str) -> str:
    """A text in ASCII: ü is ue, ß is ss, é is e; letters without a Latin form are dropped."""
    composed = unicodedata.normalize("NFC", text)  # ü may be u and two dots
    spelled = "".join(LETTERS.get(letter, letter) for letter in composed)
    return unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()


def listed(words: Iterable[str], joined_by: str = "or") -> str:
    """Words as an English list: `a`, `a or b`, `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} {joined_by} {last}" if first else last


def shown(text: str, longest: int = LONGEST_SHOWN) -> str:
    """A text on one line, cut to `longest` characters; unprintable characters are escaped."""
    cut = text[:longest] + ("…" if len(text) > longest else "")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def shown_path(path: Path) -> str:
    """A path from the current folder if it is in there, else as it is."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def table(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Rows as aligned columns of text; numbers are right-aligned, with thousands separators."""

    def text(value: object) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:,.3f}"
        return f"{value:,}" if isinstance(value, int) else str("" if value is None else value)

    rows = list(rows)
    cells = [list(head), *([text(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    right = [bool(rows) and isinstance(rows[0][i], int | float) for i in range(len(head))]
    return "\n".join(
        "  "
        + "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )
