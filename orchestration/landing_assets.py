"""The landed files of events as an asset, where the lineage begins."""

import hashlib
from pathlib import Path

import dagster as dg

from orchestration.project import environment

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")  # the files that `raw_messages` reads


def landed_files(landing: Path) -> list[Path]:
    """The files of events in a landing folder, sorted by name."""
    return sorted(path for path in (landing / "events").glob("*") if path.name.endswith(SUFFIXES))


def fingerprint(files: list[Path]) -> str:
    """A hash of names, sizes and times; it changes if a file is added, changed or removed."""
    listed = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(listed).encode()).hexdigest()


def nothing_landed(landing: Path) -> str:
    """The message if there are no events."""
    return (
        f"Nothing has landed: {landing / 'events'} holds no *.jsonl, *.jsonl.gz or *.parquet. "
        "Put events there in the Segment tracking format, land a log of your own "
        "(tideline land FILE), or make the sample business "
        "(tideline sample). TIDELINE_LANDING names another folder."
    )


@dg.asset(
    key=["landing", "event_files"],  # the key of the dbt source that `raw_messages` reads
    group_name="landing",
    kinds={"file", "json", "parquet"},
    description=(
        "One row per file of landed events (`events/*.jsonl`, `.jsonl.gz`, `.parquet`): one "
        "message per row in the Segment tracking format. Materializing it lists the files."
    ),
)
def event_files() -> dg.MaterializeResult:
    """List the landed files. Fails if there are none; the message says what to do."""
    landing = Path(environment()["TIDELINE_LANDING"])
    files = landed_files(landing)
    if not files:
        raise dg.Failure(nothing_landed(landing), allow_retries=False)
    newest = max(files, key=lambda path: path.stat().st_mtime)
    return dg.MaterializeResult(
        metadata={
            "files": len(files),
            "bytes": sum(path.stat().st_size for path in files),
            "newest file": newest.name,
            "newest at": dg.MetadataValue.timestamp(newest.stat().st_mtime),
            "folder": dg.MetadataValue.path(landing / "events"),
        },
        data_version=dg.DataVersion(fingerprint(files)),
    )
