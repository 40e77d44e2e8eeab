"""The HTTP API of a vendor: calls at its pace, and what their failures mean."""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from tideline.activation.destinations.answers import (
    failed,
    place_of,
    problem_of_address,
    problem_of_token,
)
from tideline.activation.destinations.exchange import (
    Client,
    KeptError,
    NoAnswerError,
    keeps_requests,
    kept,
)
from tideline.activation.destinations.protocol import (
    Draft,
    Fate,
    Match,
    Operation,
    Origin,
    Outcome,
)
from tideline.warehouse.errors import DeclarationError, NotConfigured

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

LONGEST_TIMEOUT = 300.0  # seconds; half the length of the lease on Snowflake
# Seconds after which one call of `send` begins no more parts. The engine renews the lease of the
# warehouse between two calls; a part of many requests must still fit into the lease.
LONGEST_SEND = 120.0
ANSWER_BYTES = 10_000_000  # the longest answer that is read
NOWHERE = re.compile(r"/(\.|%2e){0,2}(/|$)", re.IGNORECASE)  # an empty part of a path, or dots
LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """The keys of every vendor's API.

    `url_env`: the name of a variable with another address than the vendor's own, such as that of a
    sandbox. `timeout_seconds`: limit of a whole request, to the last byte of the answer.
    """

    url_env: str | None = None
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_timeout(self.timeout_seconds)


def check_timeout(seconds: float) -> None:
    """Raise ValueError unless `timeout_seconds` ends before the lease of the warehouse does."""
    if not 0 < seconds <= LONGEST_TIMEOUT:
        raise ValueError(
            f"`timeout_seconds` is {seconds}; it must be above 0 and at most {LONGEST_TIMEOUT:g}"
        )


@dataclass(frozen=True)
class Reply:
    """An answer with an expected status; `content` is its JSON, None if it is none."""

    status: int
    content: Any
    headers: Mapping[str, str]


class NotDoneError(Exception):
    """A call that did not do what it should; `outcome` is that of each of its rows."""

    def __init__(self, outcome: Outcome) -> None:
        """`outcome.reason` has neither secrets nor personal data, unless it is refused."""
        super().__init__(outcome.reason)
        self.outcome = outcome


class Api:
    """Calls to one address with one credential."""

    def __init__(
        self,
        address: str,
        *,
        authorization: str | None,
        credentials: Sequence[str],
        options: ApiOptions,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        requests_per_second: float | None = None,
    ) -> None:
        """`authorization` is the header; `credentials` are the names of its variables."""
        self._client = Client(address.rstrip("/"), authorization, options.timeout_seconds)
        self._credentials = credentials
        self._headers = {"Accept": "application/json"} | dict(headers or {})
        self._content_type = content_type
        self._address = f"${options.url_env}" if options.url_env else "the vendor's API"
        self._between = 1 / requests_per_second if requests_per_second else 0.0
        self._free_at = 0.0
        self.where = place_of(address)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expected: Collection[int] = (),
        only_reads: bool = False,
    ) -> Reply:
        """Send `body` as JSON once, at the vendor's pace.

        `expected` are statuses besides 2xx that the caller understands; any other one raises
        NotDoneError. A call that only reads has applied nothing, so its failure is never `unknown`.
        A path with an empty part or with dots alone, as an id in it may be, is refused: it would be
        the address of something else.
        """
        if NOWHERE.search(path.partition("?")[0]):
            raise NotDoneError(Outcome("refused", "an id of the row cannot be part of an address"))
        if not keeps_requests():
            if (early := self._free_at - time.monotonic()) > 0:
                time.sleep(early)
            self._free_at = max(self._free_at, time.monotonic()) + self._between
        data = None if body is None else encoded(body)
        headers = self._headers | ({} if data is None else {"Content-Type": self._content_type})
        try:
            answer = self._client.request(method, path, data, headers, ANSWER_BYTES)
        except KeptError as error:
            if only_reads and not error.outbox.is_full:
                error.outbox.mark_as_question()
            raise NotDoneError(Outcome("unknown", str(error))) from None
        except NoAnswerError as error:
            fate: Fate = "unknown" if error.was_sent and not only_reads else "busy"
            raise NotDoneError(Outcome(fate, str(error))) from None
        if not (200 <= answer.status < 300 or answer.status in expected):
            outcome = failed(answer, self._credentials, self._address)
            if only_reads and outcome.fate == "unknown" and not outcome.needs_person:
                outcome = Outcome("busy", outcome.reason, outcome.retry_after)
            raise NotDoneError(outcome)
        if not answer.is_whole:
            reason = f"answered with more than {ANSWER_BYTES:,} bytes"
            raise NotDoneError(Outcome("busy" if only_reads else "unknown", reason))
        return Reply(answer.status, _json(answer.body), answer.headers)

    def pause(self, seconds: float) -> None:
        """Let the next call wait at least so long, as for a job of the vendor."""
        self._free_at = max(self._free_at, time.monotonic() + seconds)


class ApiDestination(ABC):
    """What the destinations with an API have in common; one folder has one `connect` and `send`.

    `merges_rows`: all rows of a person in a batch become one change, in which an addition counts.
    """

    merges_rows: ClassVar[bool] = False

    def __init__(self, api: Api, options: Any) -> None:
        """`options` is the `Options` of the destination."""
        self._api = api
        self._options = options
        self.where = api.where

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Self:
        """Read the credentials. Raises NotConfigured if one is not set."""
        return cls(cls.connect(sync.name, sync.options, environment), sync.options)

    @staticmethod
    @abstractmethod
    def connect(sync_name: str, options: Any, environment: Mapping[str, str]) -> Api:
        """The API with its credentials."""

    @abstractmethod
    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Try once to apply `batch`; return one outcome per operation, in order."""

    def drafts(self, batch: Sequence[Operation], most: int) -> list[Draft]:
        """The first requests that `send` would make."""
        return kept(lambda: self.send(batch, ""), most)

    def traces(self, operation: Operation) -> set[tuple[str, str, str]]:
        """What finds the person of a row at the tool, in a list if it has lists."""
        key, name = operation.key, operation.key.get("list", "")
        columns = self._options.in_key() if hasattr(self._options, "in_key") else ()
        return {(name, each, str(key[each]).strip().lower()) for each in columns if each in key}

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """An empty list: the rows are not counted."""
        return []


def encoded(body: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def secret(environment: Mapping[str, str], variable: str, what: str, sync_name: str) -> str:
    """A credential from the environment.

    Raises NotConfigured if the variable is not set, DeclarationError if it cannot be sent.
    """
    value = environment.get(variable)
    if not value:
        raise NotConfigured(f"set {variable} to {what}; until then nothing is sent")
    if problem := problem_of_token(value):
        raise DeclarationError(f"sync `{sync_name}`: {variable} {problem}")
    return value


def address_of(
    environment: Mapping[str, str], options: ApiOptions, default: str | None, sync_name: str
) -> str:
    """The address of the API: that of `url_env`, else the vendor's `default`.

    A credential is only sent by TLS, except to this machine.
    """
    if options.url_env is None:
        if default is None:
            raise DeclarationError(f"sync `{sync_name}`: key `url_env` is missing")
        return default
    url = environment.get(options.url_env)
    if not url:
        raise NotConfigured(
            f"set {options.url_env} to the address of the API; until then nothing is sent"
        )
    if problem := problem_of_address(url):
        raise DeclarationError(f"sync `{sync_name}`: {options.url_env} {problem}")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        raise DeclarationError(
            f"sync `{sync_name}`: {options.url_env} is not an https:// address, so the credential "
            "would be readable on its way"
        )
    if parts.query or parts.fragment:
        raise DeclarationError(
            f"sync `{sync_name}`: {options.url_env} has a `?` or a `#`; write the address without "
            "them"
        )
    return url


def in_parts(
    batch: Sequence[Operation],
    parts: Sequence[Sequence[int]],
    apply: Callable[[Sequence[Operation]], Sequence[Outcome]],
) -> list[Outcome]:
    """The outcomes of a batch that needs several calls, one per part (positions in the batch).

    Once a part cannot be delivered because the vendor is busy or a person is needed, or once the
    parts have taken `LONGEST_SEND`, later parts are not sent.
    """
    outcomes: list[Outcome] = [Outcome("busy", "not sent")] * len(batch)
    stopped: Outcome | None = None
    until = time.monotonic() + LONGEST_SEND
    for number, part in enumerate(parts):
        if stopped is None and number and time.monotonic() > until:
            stopped = Outcome("busy", "the vendor is slow; not sent yet", is_paced=True)
        if stopped is None:
            try:
                results = list(apply([batch[position] for position in part]))
            except NotDoneError as error:
                results = [error.outcome] * len(part)
                if error.outcome.fate in ("busy", "held") or error.outcome.needs_person:
                    stopped = error.outcome
        else:
            fate: Fate = "held" if stopped.fate == "held" or stopped.needs_person else "busy"
            results = [replace(stopped, fate=fate, needs_person=False)] * len(part)
        for position, outcome in zip(part, results, strict=True):
            outcomes[position] = outcome
    return outcomes


def compared(
    batch: Sequence[Operation],
    most: int,
    compare: Callable[[Sequence[Operation]], Sequence[Match]],
) -> list[Match | Outcome]:
    """How rows compare, by questions about at most `most` rows; see `Destination.read_back`."""
    matches: dict[int, Match] = {}  # by identity of the operation

    def ask(part: Sequence[Operation]) -> list[Outcome]:
        matches.update(zip(map(id, part), compare(part), strict=True))
        return [Outcome("accepted")] * len(part)

    parts = [range(len(batch))[start : start + most] for start in range(0, len(batch), most)]
    outcomes = in_parts(batch, parts, ask)
    return [matches.get(id(row), told) for row, told in zip(batch, outcomes, strict=True)]


def one_by_one(batch: Sequence[Operation], change: Callable[[Operation], Outcome]) -> list[Outcome]:
    """The outcomes of a batch that needs a call per row.

    After a call without an answer the other rows wait, because each would cost a timeout.
    """
    is_silent = False

    def apply(row: Sequence[Operation]) -> list[Outcome]:
        nonlocal is_silent
        if is_silent:
            return [Outcome("busy", "the vendor does not answer")]
        try:
            return [change(row[0])]
        except NotDoneError as error:
            is_silent = error.outcome.fate == "unknown" and not keeps_requests()
            raise

    return in_parts(batch, [[position] for position in range(len(batch))], apply)


def cut(
    positions: Sequence[int], rows: int, size: Callable[[int], int], most_bytes: int | None = None
) -> Iterator[list[int]]:
    """Cut positions into parts of at most `rows` rows and `most_bytes` bytes.

    `size` is that of a row in bytes. A row that is larger alone is a part of its own, which the
    vendor then refuses.
    """
    part: list[int] = []
    total = 0
    for position in positions:
        weight = size(position) + 1 if most_bytes is not None else 0
        if part and (len(part) == rows or (most_bytes and total + weight > most_bytes)):
            yield part
            part, total = [], 0
        part.append(position)
        total += weight
    if part:
        yield part
