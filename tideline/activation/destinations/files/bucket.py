"""Objects in a bucket of Amazon S3 or a compatible store.

A written object replaces the old one as a whole. It is written only if the object is still the one
that was read, so a request of a killed run that arrives late cannot undo a newer one.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from tideline.activation.destinations.files.place import NotDoneError
from tideline.activation.destinations.protocol import Outcome

MISSING = ("404", "NoSuchKey", "NotFound")
# The object is not as it was: another request has written it.
CHANGED = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")
ONLY_NEW = {"IfNoneMatch": "*"}
NOT_SENT = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError)


class Bucket:
    """The objects of a bucket whose keys begin with `<prefix>/`."""

    elsewhere = "name another `prefix`"

    def __init__(
        self,
        reads: Any,
        writes: Any,
        bucket: str,
        prefix: str,
        is_conditional: bool,
        store: str | None = None,
    ) -> None:
        """`reads` and `writes` are clients of boto3; `writes` tries each request once.

        `store`: the place of a compatible store; None is Amazon's.
        """
        self._reads, self._writes = reads, writes
        self._bucket = bucket
        self._prefix = f"{prefix}/"
        self._is_conditional = is_conditional
        self._tags: dict[str, str | None] = {}  # of each object when it was read; None if missing
        self.where = f"s3://{bucket}/{prefix}" + (f" at {store}" if store else "")

    def names(self) -> list[str]:
        """The names of the objects."""
        found = []
        with self._told():
            pages = self._reads.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            )
            for page in pages:
                keys = [each["Key"] for each in page.get("Contents", [])]
                found += [key.removeprefix(self._prefix) for key in keys]
        return found

    def exists(self, name: str) -> bool:
        """Whether there is an object."""
        try:
            with self._told():
                self._reads.head_object(**self._object(name))
        except FileNotFoundError:
            return False
        return True

    @contextlib.contextmanager
    def read(self, name: str) -> Iterator[TextIO]:
        """An object, copied to a file without a name. Raises FileNotFoundError."""
        with tempfile.TemporaryFile() as copy:
            self._tags[name] = None
            with self._told():
                answer = self._reads.get_object(**self._object(name))
                for chunk in answer["Body"].iter_chunks(1 << 20):
                    copy.write(chunk)
            self._tags[name] = answer["ETag"]
            copy.seek(0)
            with io.TextIOWrapper(copy, "utf-8", errors="replace", newline="") as source:
                yield source

    @contextlib.contextmanager
    def replace(self, name: str) -> Iterator[TextIO]:
        """A text that becomes the object when the block ends."""
        with tempfile.TemporaryFile() as copy:
            target = io.TextIOWrapper(copy, "utf-8", newline="")
            yield target
            target.flush()
            copy.seek(0)
            tag = self._tags[name]  # the caller has read the object, or found it missing
            self._put(name, copy, {"IfMatch": tag} if tag else ONLY_NEW)

    def create(self, name: str, text: str) -> None:
        """Create an object. Raises FileExistsError."""
        if not self._is_conditional and self.exists(name):
            raise FileExistsError(name)
        try:
            self._put(name, io.BytesIO(text.encode()), ONLY_NEW)
        except NotDoneError as error:
            if isinstance(error.__cause__, ClientError) and _code(error.__cause__) in CHANGED:
                raise FileExistsError(name) from None
            raise

    def delete(self, name: str) -> None:
        """Delete an object."""
        with self._told(writes=True):
            self._writes.delete_object(**self._object(name))

    def delete_parts(self, is_ours: Callable[[str], bool]) -> None:
        """Nothing: an object is written whole or not at all."""

    def is_gone(self, where: str) -> bool:
        """False: a bucket does not move."""
        return False

    def seen_from_here(self, path: Path) -> str:
        """The whole path: a bucket does not move with the warehouse."""
        return str(path.resolve())

    def _put(self, name: str, content: Any, condition: dict[str, str]) -> None:
        kind = "text/csv" if name.endswith(".csv") else "application/json"
        more = condition if self._is_conditional else {}
        with self._told(writes=True):
            answer = self._writes.put_object(
                **self._object(name), Body=content, ContentType=f"{kind}; charset=utf-8", **more
            )
        self._tags[name] = answer["ETag"]

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{name}"}

    @contextlib.contextmanager
    def _told(self, writes: bool = False) -> Iterator[None]:
        """Turn a failure into FileNotFoundError or NotDoneError."""
        try:
            yield
        except ClientError as error:
            if _code(error) in MISSING and not writes:
                raise FileNotFoundError(_code(error)) from None
            raise NotDoneError(self._outcome(error, writes)) from error
        except BotoCoreError as error:
            was_sent = writes and not isinstance(error, NOT_SENT)
            reason = f"{self.where}: the request failed ({type(error).__name__})"
            raise NotDoneError(Outcome("unknown" if was_sent else "busy", reason)) from error

    def _outcome(self, error: ClientError, writes: bool) -> Outcome:
        """What an answer that is not a success means for the rows."""
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = f"{self.where}: answered HTTP {status}, {_code(error)}"
        if _code(error) in CHANGED:
            return Outcome("busy", f"{said}: another request has changed the file")
        if status == 429:
            return Outcome("busy", said)
        if (status >= 500 and status != 501) or _code(error) == "RequestTimeout":
            return Outcome("unknown" if writes else "busy", said)
        return Outcome("held", f"{said}; correct the credentials, their rights or the bucket")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
