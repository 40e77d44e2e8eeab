"""Loads a source system with dlt, which makes requests, follows pages, keeps state, writes files.

`_state/<system>/` in the landing folder holds dlt's state and unfinished loads. The files of a
complete load are renamed to `<landing>/<system>/<table>/<load>.<n>.jsonl.gz`, so readers never see
incomplete files.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests

from tideline.landing.systems.rows import Window
from tideline.landing.systems.session import ATTEMPTS, error_code, http_session
from tideline.landing.systems.system import LoadError, System
from tideline.progress import Progress

if TYPE_CHECKING:
    from dlt import Pipeline
    from dlt.extract import DltSource

STATE = "_state"
LAST_LOAD = "last_load"  # start of the last complete load, in seconds since 1970
LAYOUT = "{table_name}/{load_id}.{file_id}.{ext}"
# Prefix of dlt's own tables and files.
BOOKKEEPING = "_dlt"


def load(system: System, landing: Path, environment: Mapping[str, str]) -> dict[str, int]:
    """Land new and changed records; return the number of landed rows per table.

    Rows that a killed load has fetched land first. Raises LoadError if the system cannot be loaded;
    nothing is lost, because the next load requests the same records again.
    """
    system.login(environment)
    address = system.address(environment)
    state = landing.absolute() / STATE / system.name
    _quiet(state.parent)
    with _alone(system, state.parent):
        try:
            return _load(system, landing.absolute(), state, address, environment)
        except Exception as error:
            raise LoadError(f"{system.name}: {_in_words(error, system, environment)}") from error


def _load(
    system: System, landing: Path, state: Path, address: str, environment: Mapping[str, str]
) -> dict[str, int]:
    started = time.time()
    _tidy(state / system.name)
    pipeline = _pipeline(system, state)
    if pipeline.has_pending_data:
        pipeline.run()
    landed = _publish(system, state, landing)
    if _has_forgotten(system, state):
        shutil.rmtree(state)
        pipeline = _pipeline(system, state)
    source = _source(system, address, environment, Window(int(started * 1000)))
    with Progress(f"loading {system.name}", unit="rows") as shown:
        for resource in source.selected_resources.values():
            resource.add_map(_counted(shown))
        pipeline.run(source)
    landed += _publish(system, state, landing)
    (state / LAST_LOAD).write_text(str(started))
    return {table: landed[table] for table in system.tables}


def _counted(shown: Progress) -> Callable[[Any], Any]:
    """A processing step of dlt that counts the rows and does not change them."""

    def count(row: Any) -> Any:
        shown.advance()
        return row

    return count


def _has_forgotten(system: System, state: Path) -> bool:
    """Whether the system's change log no longer reaches back to the last load."""
    last = state / LAST_LOAD
    if system.change_log is None or not last.exists():
        return False
    try:
        age = time.time() - float(last.read_text())
    except ValueError:  # a load was killed while it wrote the file
        return True
    return age > system.change_log.total_seconds()


def _quiet(folder: Path) -> None:
    """Configure dlt through the environment: only this folder, no telemetry, no log."""
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",  # its messages may quote rows; errors are raised as well
        "LOAD__DELETE_COMPLETED_JOBS": "true",  # else it keeps a copy of everything
        "RESTORE_FROM_DESTINATION": "false",  # the local state is the only one
        "DLT_DATA_DIR": str(folder),
        "DLT_PROJECT_DIR": str(folder),
    }


def _tidy(working: Path) -> None:
    """Remove dlt's leftovers in its working folder: rows of broken loads, traces of complete ones.

    `normalize/extracted` is kept: it holds completely fetched loads that have not landed yet.
    """
    for folder in [*working.glob("normalize/*/"), *working.glob("load/loaded/*/")]:
        if folder.name != "extracted":
            shutil.rmtree(folder)


@contextmanager
def _alone(system: System, folder: Path) -> Iterator[None]:
    """Hold the lock of a system; the operating system releases it when the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{system.name}.lock"
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LoadError(
                f"{system.name}: another load is running ({path}); wait until it has ended"
            ) from None
        yield


def _pipeline(system: System, state: Path) -> Pipeline:
    import dlt
    from dlt.destinations import filesystem
    from dlt.pipeline import trace

    trace.TRACKING_MODULES = []  # these write an id to the home folder even without telemetry
    return dlt.pipeline(
        pipeline_name=system.name,
        pipelines_dir=str(state),
        destination=filesystem(bucket_url=str(state), layout=LAYOUT),
        dataset_name="loaded",
    )


def _source(
    system: System, address: str, environment: Mapping[str, str], window: Window
) -> DltSource:
    from dlt.sources.rest_api import rest_api_source

    session = http_session(address)
    # Set on the session, because dlt might show credentials in its configuration.
    session.auth = system.auth(address, environment)
    source = rest_api_source(
        {
            "client": {
                "base_url": address + system.path,
                "headers": dict(system.headers or {}),
                "session": session,
            },
            "resource_defaults": {"write_disposition": "append"},
            # dlt's type is a TypedDict, the resources are plain dictionaries.
            "resources": cast("list[Any]", system.resources(window, environment)),
        },
        name=system.name,
        max_table_nesting=0,
    )
    # Else dlt converts text that looks like a timestamp.
    source.schema.remove_type_detection("iso_timestamp")
    return source


def _publish(system: System, state: Path, landing: Path) -> Counter[str]:
    """Move the files of complete loads to the landing folder; return the rows per table."""
    rows: Counter[str] = Counter()
    for file in sorted((state / "loaded").glob("*/*.jsonl.gz")):
        table = file.parent.name
        if table.startswith(BOOKKEEPING):
            continue
        with gzip.open(file) as lines:
            rows[table] += sum(1 for _ in lines)
        folder = landing / system.name / table
        folder.mkdir(parents=True, exist_ok=True)
        file.replace(folder / file.name)
    return rows


def _in_words(error: BaseException, system: System, environment: Mapping[str, str]) -> str:
    """The error and its fix as text, without secrets and personal data.

    Error messages of dlt and the system are not used, because they quote rows and requests.
    """
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    for each in reversed(chain):
        if isinstance(each, LoadError):
            return str(each).removeprefix(f"{system.name}: ")
        if isinstance(each, requests.HTTPError) and each.response is not None:
            return _refused(each.response, system, environment)
    for each in reversed(chain):
        if isinstance(each, requests.JSONDecodeError):
            return f"its answer is not valid JSON; check {system.url_variable}"
        if isinstance(each, requests.RequestException):
            host = urlsplit(system.address(environment)).hostname
            return (
                f"{host} could not be reached or closed the connection {ATTEMPTS} times "
                f"({type(each).__name__}); load again later"
            )
        if isinstance(each, OSError) and each.filename:
            return f"cannot write {each.filename}: {each.strerror}"
    place = traceback.extract_tb(chain[-1].__traceback__)[-1]
    return f"unexpected {type(chain[-1]).__name__} at {Path(place.filename).name}:{place.lineno}"


def _refused(answer: requests.Response, system: System, environment: Mapping[str, str]) -> str:
    status, variables = answer.status_code, " and ".join(system.login(environment))
    said = f"answered HTTP {status} to {urlsplit(answer.url).path}{error_code(answer)}"
    if status == 401:
        return f"{said}; renew the credentials in {variables}"
    if status == 403:
        return f"{said}; give {variables} permission to read it, or wait if a limit is exceeded"
    if status == 404:
        return f"{said}; check the address in {system.url_variable}"
    if status == 429 or status >= 500:
        return f"{said}, {ATTEMPTS} times; load again later"
    return said
