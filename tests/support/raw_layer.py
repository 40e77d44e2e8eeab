"""The raw layer without starting dbt: the Python models, run on the tables of an `EventLayer`."""

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.support.deployment import REPOSITORY
from tests.support.event_layer import EventLayer


def model_module(name: str, edits: list[tuple[str, str]]) -> ModuleType:
    """A Python model as a module, with texts of its source replaced; fails if one is missing."""
    path = REPOSITORY / "models" / "raw" / f"{name}.py"
    source = path.read_text()
    for text, other in edits:
        assert text in source, f"{path.name} no longer holds {text!r}"
        source = source.replace(text, other)
    module = ModuleType(name)
    with patch.dict(sys.modules, {name: module}):  # dataclasses need it
        exec(compile(source, path, "exec"), module.__dict__)
    return module


class Config:
    """`dbt.config` for a Python model."""

    def __init__(self, sources: Iterable[str]) -> None:
        self.sources = json.dumps({source: "landing" for source in sources})

    def __call__(self, **settings: Any) -> None:
        """Ignore the settings, which only dbt needs."""

    def meta_get(self, key: str) -> str:
        return {"sources": self.sources}[key]


class RawLayer:
    """`landed_files` and `raw_messages` on a landing folder."""

    def __init__(self, layer: EventLayer, landing: Path, sources=(), edits=None) -> None:
        """`sources`: systems to read from the landing folder. `edits`: replaced texts by model."""
        self.layer = layer
        self.landing = landing
        self.config = Config(sources)
        self.modules = [
            (name, model_module(name, (edits or {}).get(name, [])))
            for name in ("landed_files", "raw_messages")
        ]
        for name, _ in self.modules:
            layer.query(f"truncate {name}")
        layer.clear()

    def run(self) -> None:
        """Read new files, as dbt does."""
        connection = self.layer.connection
        pattern = re.sub(r"([\[\]*?])", r"[\1]", str(self.landing)).replace("'", "''")
        for name, module in self.modules:
            dbt = SimpleNamespace(
                config=self.config,
                is_incremental=self.layer.value(f"select count(*) > 0 from {name}"),
                this=name,
                ref=connection.table,
                source=lambda *_: connection.sql(f"from glob('{pattern}/**')"),
            )
            with patch.dict(os.environ, {"TIDELINE_LANDING": str(self.landing)}):
                taken_in = module.model(dbt, connection)  # noqa: F841, read by its name
                if name == "landed_files":
                    connection.execute(
                        "delete from landed_files "
                        "where landed_file in (select landed_file from taken_in)"
                    )
                connection.execute(f"insert into {name} by name select * from taken_in")
        self.layer.delete_removed("raw_messages")
        connection.execute("set preserve_insertion_order = true")
