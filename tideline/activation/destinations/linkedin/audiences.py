"""People in DMP segments of LinkedIn."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.answers import failed
from tideline.activation.destinations.api import Api, NotDoneError, Reply, address_of, secret
from tideline.activation.destinations.audiences import AudienceOptions, Audiences
from tideline.activation.destinations.exchange import Answer
from tideline.activation.destinations.identifiers import LINKEDIN, Rule
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

ADDRESS = "https://api.linkedin.com"
MOST_PEOPLE = 5_000  # per request
REQUESTS_PER_SECOND = 10.0  # 600 a minute per member
LIMITS = (
    "https://learn.microsoft.com/en-us/linkedin/marketing/matched-audiences/"
    "create-and-manage-segment-users"
)
NO_VERSION = 426
SILENT = Outcome("unknown", "LinkedIn answered without an outcome of the row")


@dataclass(frozen=True, kw_only=True)
class LinkedInOptions(AudienceOptions):
    """`token_env`: the name of the variable with the access token. `version`: of the API."""

    RULES: ClassVar[Mapping[str, Rule]] = LINKEDIN
    ALONE: ClassVar[tuple[str, ...]] = ("SHA256_EMAIL",)

    token_env: str = "LINKEDIN_ACCESS_TOKEN"
    version: str = "202606"

    def __post_init__(self) -> None:
        """Check the version."""
        super().__post_init__()
        if not re.fullmatch(r"20\d\d(0[1-9]|1[0-2])", self.version):
            raise ValueError(f"`version` is {self.version!r}; write year and month as '202606'")


def open_api(sync_name: str, options: LinkedInOptions, environment: Mapping[str, str]) -> Api:
    """The API with the access token."""
    what = "an access token with `rw_dmp_segments`"
    token = secret(environment, options.token_env, what, sync_name)
    return Api(
        address_of(environment, options, ADDRESS, sync_name),
        authorization=f"Bearer {token}",
        credentials=[options.token_env],
        options=options,
        headers={
            "LinkedIn-Version": options.version,
            "X-Restli-Protocol-Version": "2.0.0",
            "X-RestLi-Method": "BATCH_CREATE",
        },
        requests_per_second=REQUESTS_PER_SECOND,
    )


class LinkedInAudiences(Audiences):
    """A row is a person in the DMP segment of a segment."""

    Options: ClassVar[type] = LinkedInOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_PEOPLE
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="LinkedIn matched audiences",
        holds="a person in the audience of a segment, by hashed address",
        delivery="set",
        removal="the person leaves the audience",
        rows_per_request=MOST_PEOPLE,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server",
        source=LIMITS,
        page="linkedin",
    )

    def apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change one audience; LinkedIn answers for each row, in order."""
        action = "REMOVE" if batch[0].op == "remove" else "ADD"
        people = [self.identified(each) for each in batch]
        elements = [
            {
                "action": action,
                "userIds": [{"idType": name, "idValue": value} for name, value in each.items()],
            }
            for each in people
        ]
        audience = batch[0].key["list"]
        path = f"/rest/dmpSegments/{audience}/users"
        statuses = (400, 403, 404, NO_VERSION)
        reply = self._api.call("POST", path, {"elements": elements}, expected=statuses)
        content = reply.content if isinstance(reply.content, dict) else {}
        if reply.status >= 400:
            raise NotDoneError(self._of_request(reply, content, audience))
        told = content.get("elements")
        if not isinstance(told, list) or len(told) != len(batch):
            return [SILENT] * len(batch)
        return [_of_row(each) for each in told]

    def _of_request(self, reply: Reply, content: Mapping[str, Any], audience: str) -> Outcome:
        """The outcome of the rows of a request that LinkedIn has refused as a whole."""
        if reply.status == NO_VERSION:
            version = self._options.version
            reason = f"LinkedIn no longer has the version {version}; write a later one in `version`"
            return Outcome("held", reason)
        if not content.get("message"):
            answer = Answer(reply.status, reply.headers, b"", True)
            return failed(answer, [self._options.token_env], "the vendor's API")
        if reply.status == 400:
            return Outcome("refused", _in_words(content))
        return Outcome(
            "rejected",
            f"audience `{audience}` cannot be changed ({_in_words(content)}); check it and the "
            f"rights of {self._options.token_env}, or name another one in `lists`",
        )


def _of_row(element: Any) -> Outcome:
    """The outcome of one row. To add somebody again, or remove nobody, is answered by 201 too."""
    status = element.get("status") if isinstance(element, dict) else None
    if not isinstance(status, int):
        return SILENT
    if 200 <= status < 300:
        return Outcome("accepted")
    if status == 429:
        return Outcome("busy", "LinkedIn answered 429 for the row")
    if status < 400 or status == 408 or status >= 500:
        return Outcome("unknown", f"LinkedIn answered {status} for the row")
    error = element.get("error")
    return Outcome("rejected", _in_words(error if isinstance(error, dict) else {}, status))


def _in_words(error: Mapping[str, Any], status: int | None = None) -> str:
    """LinkedIn's own words about an error."""
    code = error.get("code") or error.get("serviceErrorCode") or error.get("status") or status
    return f"LinkedIn: {error.get('message') or 'no reason given'} ({code})"
