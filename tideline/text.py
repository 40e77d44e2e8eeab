"""Words for people: the nearest right word, and tables of text."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def nearest(word: object, words: Iterable[str]) -> str:
    """The end of an error message: what was probably meant; all words if nothing is near."""
    by_fold = {str(each).lower(): str(each) for each in sorted(words, key=str)}
    near = get_close_matches(str(word).lower(), by_fold, n=1, cutoff=0.5)
    if near:
        return f"did you mean `{by_fold[near[0]]}`?"
    return f"there are: {', '.join(by_fold.values()) or 'none'}"


def table(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Rows as text in columns; numbers to the right, their thousands separated."""

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
