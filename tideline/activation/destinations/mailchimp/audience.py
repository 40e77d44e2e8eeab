"""A Mailchimp audience: its API, the place of a member, and Mailchimp's words about errors."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tideline.activation.destinations.api import (
    Api,
    ApiOptions,
    NotDoneError,
    Reply,
    address_of,
    secret,
)
from tideline.activation.destinations.protocol import Operation, Outcome
from tideline.declarations.syncs import LIST_ID
from tideline.warehouse.errors import DeclarationError

LIMITS = "https://mailchimp.com/developer/marketing/docs/fundamentals/"
DATA_CENTER = re.compile(r"-([a-z]+[0-9]+)$")


@dataclass(frozen=True, kw_only=True)
class MailchimpOptions(ApiOptions):
    """The keys of both destinations.

    `audience`: the id of the audience. `token_env`: the name of the variable with an API key.
    `identify`: the column of `key` with the email address.
    """

    audience: str
    token_env: str = "MAILCHIMP_API_KEY"
    identify: str = "email"

    def __post_init__(self) -> None:
        """Check the audience."""
        super().__post_init__()
        if not LIST_ID.fullmatch(self.audience):
            raise ValueError(
                f"`audience` is `{self.audience}`; write the audience's id, such as `a1b2c3d4e5`"
            )

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)

    def email_of(self, operation: Operation) -> str:
        """The address that identifies a member."""
        return str(operation.key[self.identify]).strip()


def open_api(sync_name: str, options: MailchimpOptions, environment: Mapping[str, str]) -> Api:
    """The API of the data center that the key names."""
    token = secret(environment, options.token_env, "an API key of Mailchimp", sync_name)
    default = None
    if options.url_env is None:
        center = DATA_CENTER.search(token)
        if center is None:
            raise DeclarationError(
                f"sync `{sync_name}`: {options.token_env} lacks the data center at its end, such "
                "as `-us6`; copy the whole key"
            )
        default = f"https://{center[1]}.api.mailchimp.com"
    encoded = base64.b64encode(f"tideline:{token}".encode()).decode()
    api = Api(
        address_of(environment, options, default, sync_name),
        authorization=f"Basic {encoded}",
        credentials=[options.token_env],
        options=options,
    )
    api.where += f", audience {options.audience}"  # another one is another place
    return api


def ask(
    api: Api,
    options: MailchimpOptions,
    method: str,
    email: str,
    more: str = "",
    body: Any = None,
) -> Reply:
    """A call about one member, whose answer may be 400 or 404."""
    who = hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()
    path = f"/3.0/lists/{options.audience}/members/{who}{more}"
    reply = api.call(method, path, body, expected=(400, 403, 404), only_reads=method == "GET")
    if reply.status == 403 and not _said(reply):
        # Under load, Mailchimp answers 403 without words instead of 429.
        raise NotDoneError(Outcome("busy", "answered HTTP 403 without a reason"))
    if reply.status == 403:
        advice = f"give the user of {options.token_env} the right to change audiences"
        raise NotDoneError(Outcome("rejected", f"{in_words(reply)}; {advice}"))
    return reply


def is_missing(reply: Reply) -> bool:
    """Whether Mailchimp itself says that the audience has no such member, or does not exist.

    A 404 of a proxy, or of a wrong address, says nothing about Mailchimp.
    """
    return reply.status == 404 and _said(reply).get("title") == "Resource Not Found"


def in_words(reply: Reply) -> str:
    """Mailchimp's own words about an error, with the fields that it names."""
    said = _said(reply)
    words = str(said.get("detail") or said.get("title") or f"HTTP {reply.status} without a reason")
    errors = said.get("errors")
    for each in errors if isinstance(errors, list) else ():
        if isinstance(each, dict):
            words += f" {each.get('field')}: {each.get('message')}"
    return f"Mailchimp: {words}"


def _said(reply: Reply) -> dict[str, Any]:
    return reply.content if isinstance(reply.content, dict) else {}
