"""Progress bars for steps of more than a few seconds, on the standard error of a terminal.

The `tideline` command turns them on with `show()`. Nothing is written to a pipe, a log or Dagster,
which runs the same code. Standard output is never used.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import duckdb
    from tqdm import tqdm

TICK = 0.5  # seconds between refreshes, also while a step reports nothing
BUFFER = 1 << 20  # bytes

_is_shown = False


def show() -> None:
    """Show progress in this process from now on, if its standard error is a terminal."""
    global _is_shown
    _is_shown = sys.stderr.isatty()


class Progress:
    """One bar: the step, how much of it is done, and for how long. It is erased at the end."""

    def __init__(self, what: str, total: float | None = None, unit: str = "") -> None:
        """`total` may be unknown. The unit `B` shows sizes, any other plain numbers."""
        self._bar: tqdm | None = None
        self._ended = threading.Event()
        if _is_shown:
            from tqdm import tqdm

            self._bar = tqdm(
                desc=what,
                total=total,
                unit=unit if unit in ("", "B") else f" {unit}",
                unit_scale=unit == "B",
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
            )
            threading.Thread(target=self._tick, args=(self._bar,), daemon=True).start()

    def advance(self, by: float = 1) -> None:
        """Count `by` more as done."""
        if self._bar is not None:
            self._bar.update(by)

    def say(self, what: str) -> None:
        """Change the name of the step."""
        if self._bar is not None:
            self._bar.set_description(what)

    @contextmanager
    def following(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Show DuckDB's own progress, in percent, of each query run inside.

        The connection needs `enable_progress_bar` set and `enable_progress_bar_print` unset.
        """
        if self._bar is None:
            yield
            return
        ended = threading.Event()
        poll = threading.Thread(target=self._poll, args=(con, self._bar, ended), daemon=True)
        poll.start()
        try:
            yield
        finally:
            ended.set()
            poll.join()

    @staticmethod
    def _poll(con: duckdb.DuckDBPyConnection, bar: tqdm, ended: threading.Event) -> None:
        while not ended.wait(TICK):
            bar.n = round(max(con.query_progress(), 0))  # negative while no query runs
            bar.refresh()

    def _tick(self, bar: tqdm) -> None:
        while not self._ended.wait(TICK):
            bar.refresh()

    def __enter__(self) -> Self:
        """The bar itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Erase the bar."""
        self._ended.set()
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()


@contextmanager
def reading(path: Path) -> Iterator[io.BufferedReader[_Counted]]:
    """Open a file for reading and show how much of it has been read."""
    with (
        Progress(f"reading {path.name}", path.stat().st_size, "B") as shown,
        io.BufferedReader(_Counted(path, shown), BUFFER) as file,
    ):
        yield file


class _Counted(io.FileIO):
    """A file that reports how much of it was read."""

    def __init__(self, path: Path, shown: Progress) -> None:
        super().__init__(path)
        self._shown = shown

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self._shown.advance(count or 0)
        return count
