"""The owner of a delivery folder: a marker file with the warehouse's id, its place and the files.

Each warehouse makes the files hold what its own ledger says, so two warehouses in one folder would
empty each other's files. The second one is refused. A copy of a warehouse has the same id, so the
marker also holds the place: for a DuckDB file, its path relative to the folder, which stays the
same if the whole deployment moves. Files that the marker does not list are never changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from tideline.warehouse.errors import ActivationError

MARKER = ".tideline.json"


class Claim:
    """The marker of one folder."""

    def __init__(self, folder: Path, warehouse_id: str, place: Path | str) -> None:
        """Read the marker. Raises ActivationError if it names another warehouse or place."""
        self._path = folder / MARKER
        self._warehouse_id = warehouse_id
        self._place = place
        if isinstance(place, Path):
            self._place = os.path.relpath(place.resolve(), folder.resolve())
        self._files: set[str] = set()
        self.is_new = True
        self._is_told = False  # whether the marker on disk names the place
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            owner, files = content["warehouse_id"], set(content["files"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ActivationError(
                f"{self._path} cannot be read ({type(error).__name__}); remove it if no other "
                "warehouse delivers into this folder, then run again"
            ) from None
        if owner != warehouse_id:
            raise ActivationError(
                f"another warehouse delivers into {folder} ({MARKER} has its id); set "
                "TIDELINE_DELIVERIES to another folder, or, if that warehouse no longer exists, "
                "remove the folder and run again"
            )
        known = content.get("place")  # markers of earlier releases have no place
        if known not in (None, self._place):
            raise ActivationError(
                f"the warehouse at {known} (as seen from {folder}) delivers into that folder, and "
                f"this one, at {self._place}, is a copy of it or was moved; if it is a copy, set "
                f"TIDELINE_DELIVERIES to another folder, if it was moved, remove {MARKER} from the "
                "folder and run again"
            )
        self._files = files
        self._is_told = known is not None
        self.is_new = False

    def owns(self, path: Path) -> bool:
        """Whether this warehouse wrote a file of the folder."""
        return path.name in self._files

    def adopt(self, paths: Iterable[Path]) -> None:
        """List files that an earlier release wrote without a marker."""
        self._files |= {path.name for path in paths}

    def add(self, paths: Iterable[Path]) -> None:
        """List files before they are written. Raises ActivationError as `__init__` does."""
        files = self._files | {path.name for path in paths}
        if not self._is_told or files != self._files:
            self._save(files)

    def drop(self, path: Path) -> None:
        """Remove a deleted file from the list."""
        self._save(self._files - {path.name})

    def _save(self, files: set[str]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = json.dumps(
            {"warehouse_id": self._warehouse_id, "place": self._place, "files": sorted(files)}
        )
        part = self._path.with_name(f"{MARKER}.part")
        # If two warehouses begin at the same time, only one can create the marker.
        path, mode = (self._path, "x") if self.is_new else (part, "w")
        try:
            with open(path, mode, encoding="utf-8", opener=private) as target:
                target.write(content)
                target.flush()
                os.fsync(target.fileno())
        except FileExistsError:
            Claim(self._path.parent, self._warehouse_id, self._place)  # raises, naming the owner
            raise
        except OSError:
            path.unlink(missing_ok=True)  # an incomplete marker could not be read
            raise
        if not self.is_new:
            part.replace(self._path)
        self._files, self._is_told, self.is_new = files, True, False


def private(path: str, flags: int) -> int:
    """Open a file with mode 0600, as it may hold addresses; an opener for `open`."""
    return os.open(path, flags, 0o600)
