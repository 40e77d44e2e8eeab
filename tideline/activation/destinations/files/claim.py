"""The owner of a delivery folder: a marker file with the warehouse's id, its place and the files.

Each warehouse makes the files hold what its own ledger says, so two warehouses in one folder would
empty each other's files. The second one is refused. A copy of a warehouse has the same id, so the
marker also holds the place: for a DuckDB file, its path relative to the folder, which stays the
same if the whole deployment moves. Files that the marker does not list are never changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tideline.activation.destinations.files.place import NotDoneError, Place
from tideline.warehouse.errors import ActivationError

MARKER = ".tideline.json"


class Claim:
    """The marker of one folder."""

    def __init__(self, place: Place, warehouse_id: str, warehouse: Path | str) -> None:
        """Read the marker; `warehouse` is the place of the warehouse.

        Raises ActivationError if it names another warehouse or place, NotDoneError as `place` does.
        """
        self._place = place
        self._warehouse_id = warehouse_id
        self._warehouse = warehouse
        if isinstance(warehouse, Path):
            self._warehouse = place.seen_from_here(warehouse)
        self._files: set[str] = set()
        self.is_new = True
        self._is_told = False  # whether the marker there names the place
        try:
            with place.read(MARKER) as source:
                content = json.loads(source.read())
            owner, files = content["warehouse_id"], set(content["files"])
        except FileNotFoundError:
            return
        except NotDoneError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ActivationError(
                f"{place.where}/{MARKER} cannot be read ({type(error).__name__}); remove it if no "
                "other warehouse delivers into this folder, then run again"
            ) from None
        if owner != warehouse_id:
            raise ActivationError(
                f"another warehouse delivers into {place.where} ({MARKER} has its id); "
                f"{place.elsewhere}, or, if that warehouse no longer exists, remove the folder and "
                "run again"
            )
        known = content.get("place")  # markers of earlier releases have no place
        if known not in (None, self._warehouse):
            raise ActivationError(
                f"the warehouse at {known} (as seen from {place.where}) delivers into that folder, "
                f"and this one, at {self._warehouse}, is a copy of it or was moved; if it is a "
                f"copy, {place.elsewhere}, if it was moved, remove {MARKER} from the folder and "
                "run again"
            )
        self._files = files
        self._is_told = known is not None
        self.is_new = False

    def owns(self, name: str) -> bool:
        """Whether this warehouse wrote a file of the folder."""
        return name in self._files

    def adopt(self, names: Iterable[str]) -> None:
        """List files that an earlier release wrote without a marker."""
        self._files |= set(names)

    def add(self, names: Iterable[str]) -> None:
        """List files before they are written. Raises ActivationError as `__init__` does."""
        files = self._files | set(names)
        if not self._is_told or files != self._files:
            self._save(files)

    def drop(self, name: str) -> None:
        """Remove a deleted file from the list."""
        self._save(self._files - {name})

    def _save(self, files: set[str]) -> None:
        content = json.dumps(
            {"warehouse_id": self._warehouse_id, "place": self._warehouse, "files": sorted(files)}
        )
        if self.is_new:
            # If two warehouses begin at the same time, only one can create the marker.
            try:
                self._place.create(MARKER, content)
            except FileExistsError:
                Claim(self._place, self._warehouse_id, self._warehouse)  # raises, naming the owner
                raise
        else:
            with self._place.replace(MARKER) as target:
                target.write(content)
        self._files, self._is_told, self.is_new = files, True, False
