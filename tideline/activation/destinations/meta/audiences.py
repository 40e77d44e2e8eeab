"""People in Custom Audiences of Meta."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.api import Api, NotDoneError, address_of, secret
from tideline.activation.destinations.audiences import AudienceOptions, Audiences
from tideline.activation.destinations.identifiers import META, Rule
from tideline.activation.destinations.meta.answers import EXPECTED, outcome_of_error
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

ADDRESS = "https://graph.facebook.com"
MOST_PEOPLE = 10_000  # per request
LIMITS = (
    "https://developers.facebook.com/documentation/ads-commerce/marketing-api/audiences/guides/"
    "custom-audiences"
)
# Seconds that one call of `send` looks for invalid entries; the warehouse is locked meanwhile.
SEARCH_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class MetaOptions(AudienceOptions):
    """`token_env`: the name of the variable with the access token. `version`: of the Graph API."""

    RULES: ClassVar[Mapping[str, Rule]] = META
    ALONE: ClassVar[tuple[str, ...]] = ("EMAIL", "PHONE", "MADID", "EXTERN_ID")

    token_env: str = "META_ACCESS_TOKEN"
    version: str = "v25.0"

    def __post_init__(self) -> None:
        """Check the version."""
        super().__post_init__()
        if not re.fullmatch(r"v\d{1,3}\.\d", self.version):
            raise ValueError(f"`version` is {self.version!r}; write it as 'v25.0'")


def open_api(sync_name: str, options: MetaOptions, environment: Mapping[str, str]) -> Api:
    """The API with the access token, which is only sent in a header."""
    token = secret(environment, options.token_env, "an access token of a system user", sync_name)
    return Api(
        address_of(environment, options, ADDRESS, sync_name),
        authorization=f"Bearer {token}",
        credentials=[options.token_env],
        options=options,
    )


class MetaAudiences(Audiences):
    """A row is a person in the Custom Audience of a segment."""

    Options: ClassVar[type] = MetaOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_PEOPLE
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Meta Custom Audiences",
        holds="a person in the audience of a segment, by hashed identifiers",
        delivery="set",
        removal="the person leaves the audience",
        rows_per_request=MOST_PEOPLE,
        tried_against="a stateful local server",
        source=LIMITS,
        page="meta",
    )

    def apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change one audience; if some rows are invalid, send halves until these are alone.

        Meta applies the valid rows of a request and says about how many were invalid, but not
        which. Sent again, a valid row changes nothing. Once the first request is through, every
        row may have been applied, so what is not known at the end is `unknown`, never `refused`.
        """
        outcomes = [Outcome("unknown", "Meta calls some rows invalid; these are not found yet")]
        outcomes *= len(batch)
        waiting = [(0, len(batch))]
        until = time.monotonic() + SEARCH_SECONDS
        has_progress = False  # each call finds out about a row, so that attempts come to an end
        while waiting and not (has_progress and time.monotonic() > until):
            first, last = waiting.pop()
            try:
                has_invalid = self._has_invalid(batch[first:last])
            except NotDoneError as error:
                if last - first == len(batch):
                    raise
                return [_in_doubt(error.outcome) if o.fate == "unknown" else o for o in outcomes]
            has_progress |= not has_invalid or last - first == 1
            if not has_invalid:
                outcomes[first:last] = [Outcome("accepted")] * (last - first)
            elif last - first == 1:
                reason = "Meta: the entry is invalid (`num_invalid_entries` is not 0)"
                outcomes[first] = Outcome("rejected", reason)
            else:
                middle = (first + last) // 2
                waiting += [(first, middle), (middle, last)]
        return outcomes

    def _has_invalid(self, batch: Sequence[Operation]) -> bool:
        """Send rows; whether Meta calls any invalid. Raises NotDoneError."""
        content = self._call(batch)
        received, invalid = content.get("num_received"), content.get("num_invalid_entries")
        if not isinstance(received, int) or not isinstance(invalid, int):
            raise NotDoneError(Outcome("unknown", "Meta answered without the numbers of rows"))
        if received < len(batch):  # it may be more: a proxy has repeated the request
            reason = f"Meta says that it received {received} of {len(batch)} rows"
            raise NotDoneError(Outcome("unknown", reason))
        return invalid != 0

    def _call(self, batch: Sequence[Operation]) -> dict[str, Any]:
        """One request, which is a session of its own, so that its counts are those of its rows."""
        people = [self.identified(each) for each in batch]
        body = {
            "session": {
                "session_id": secrets.randbelow(2**62) + 1,
                "batch_seq": 1,
                "last_batch_flag": True,
                "estimated_num_total": len(batch),
            },
            "payload": {
                "schema": list(people[0]),
                "data": [list(each.values()) for each in people],
            },
        }
        method = "DELETE" if batch[0].op == "remove" else "POST"
        audience = batch[0].key["list"]
        path = f"/{self._options.version}/{audience}/users"
        reply = self._api.call(method, path, body, expected=EXPECTED)
        if reply.status >= 400:
            raise NotDoneError(outcome_of_error(reply, self._options.token_env, audience))
        return reply.content if isinstance(reply.content, dict) else {}


def _in_doubt(outcome: Outcome) -> Outcome:
    """The outcome of rows that an earlier, larger request may have applied."""
    needs_person = outcome.needs_person or outcome.fate == "held"
    # The reason of a refused or rejected row may be personal, that of an unknown one is logged.
    is_logged = outcome.fate in ("busy", "held", "unknown")
    reason = outcome.reason if is_logged else "Meta refused a part of rows that it had received"
    return Outcome("unknown", reason, outcome.retry_after, needs_person)
