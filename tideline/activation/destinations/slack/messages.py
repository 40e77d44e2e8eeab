"""Messages: a row that is added is said in a channel; others only if there is a text for them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tideline.activation.destinations.api import (
    Api,
    ApiDestination,
    ApiOptions,
    NotDoneError,
    Reply,
    address_of,
    one_by_one,
    secret,
)
from tideline.activation.destinations.exchange import keeps_requests
from tideline.activation.destinations.fields import columns_of
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome
from tideline.activation.destinations.slack.text import message_of

log = logging.getLogger(__name__)

ADDRESS = "https://slack.com"
LIMITS = "https://docs.slack.dev/apis/web-api/rate-limits"
CHANNEL = re.compile(r"[CGD][A-Z0-9]{5,20}")
LONGEST = 4_000  # characters; Slack may cut a longer message, or make several of it
# What Slack says if it may have posted the message.
UNCLEAR = {"fatal_error", "internal_error", "request_timeout", "service_unavailable"}
BUSY = {"rate_limited", "ratelimited"}
TOKEN = {
    "account_inactive",
    "invalid_auth",
    "missing_scope",
    "not_allowed_token_type",
    "not_authed",
    "token_expired",
    "token_revoked",
}
CHANNEL_ERRORS = {
    "access_denied",
    "channel_not_found",
    "ekm_access_denied",
    "is_archived",
    "no_permission",
    "not_in_channel",
    "org_login_required",
    "restricted_action",
    "restricted_action_read_only_channel",
    "team_access_not_granted",
}


@dataclass(frozen=True, kw_only=True)
class SlackOptions(ApiOptions):
    """`channel`: the id of the channel. `text`: what is said about a row that is added, with
    columns in braces. `changed_text`, `removed_text`: the same about a row that has changed or
    left; without one, nothing is said. `repeat_unknown`: whether a message that may have been
    posted is posted again. `token_env`: the name of the variable with a bot's token.
    """

    channel: str
    text: str
    changed_text: str | None = None
    removed_text: str | None = None
    repeat_unknown: bool = True
    token_env: str = "SLACK_BOT_TOKEN"

    def __post_init__(self) -> None:
        """Check the channel and the texts."""
        super().__post_init__()
        if not CHANNEL.fullmatch(self.channel):
            raise ValueError(
                f"`channel` is `{self.channel}`; write the id of the channel, such as `C0123456789`"
            )
        for name in ("text", "changed_text", "removed_text"):
            template = getattr(self, name)
            if template is None:
                continue
            if not template.strip():
                raise ValueError(f"`{name}` is empty; write what is said")
            columns_of({name: template}, name)
            if re.search(r"<!?\{", template):
                raise ValueError(
                    f"`{name}`: a column behind `<` decides what acts, such as `!channel`; write "
                    "the beginning of the address there, such as `<https://`"
                )

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have: those of the removed text, as only the key is left."""
        return columns_of({"removed_text": self.removed_text or ""})

    def reads(self) -> tuple[str, ...]:
        """The columns that the other texts read."""
        return columns_of({"text": self.text, "changed_text": self.changed_text or ""})


def open_api(sync_name: str, options: SlackOptions, environment: Mapping[str, str]) -> Api:
    """The Web API with a bot's token."""
    token = secret(environment, options.token_env, "the token of a bot", sync_name)
    return Api(
        address_of(environment, options, ADDRESS, sync_name),
        authorization=f"Bearer {token}",
        credentials=[options.token_env],
        options=options,
        content_type="application/json; charset=utf-8",
        requests_per_second=1,
    )


class Slack(ApiDestination):
    """A row is a message. Slack keeps no key of a message, so a repeated one is posted twice."""

    Options: ClassVar[type] = SlackOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = 20
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Slack",
        holds="a message in a channel when the row is added, and, if declared, when it changes",
        delivery="append",
        removal="a message if declared, else nothing; earlier messages stay",
        rows_per_request=1,
        requests_per_second=1,
        tried_against="a stateful local server",
        source=LIMITS,
        page="slack",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Post the messages of the rows in their order, one a second."""
        outcomes = one_by_one(batch, self._say)
        if self._options.repeat_unknown or keeps_requests():
            return outcomes
        # An answer that needs a person is kept: it may mean that no message arrives at all.
        dropped = [each.fate == "unknown" and not each.needs_person for each in outcomes]
        if any(dropped):
            log.warning(
                "%d message to %s may not have been posted and is not repeated (`repeat_unknown`)",
                sum(dropped),
                self._options.channel,
            )
        accepted = Outcome("accepted")
        return [accepted if d else each for d, each in zip(dropped, outcomes, strict=True)]

    def _say(self, operation: Operation) -> Outcome:
        options = self._options
        texts = {"add": options.text, "update": options.changed_text}
        template = texts.get(operation.op, options.removed_text)
        if template is None:
            return Outcome("accepted")
        text = message_of(template, operation)
        if not text:
            return Outcome("rejected", "the message is empty; add text, or columns to `require`")
        if len(text) > LONGEST:
            reason = f"the message has {len(text)} characters; it may have {LONGEST:,}"
            return Outcome("rejected", reason)
        body = {
            "channel": options.channel,
            "text": text,
            "parse": "none",  # neither names nor addresses in the text become links
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        outcome = self._outcome(self._api.call("POST", "/api/chat.postMessage", body))
        if outcome.fate == "unknown":
            raise NotDoneError(outcome)
        return outcome

    def _outcome(self, reply: Reply) -> Outcome:
        """What an answer with a 2xx status means; Slack also gives failures this status."""
        content = reply.content if isinstance(reply.content, dict) else {}
        error = content.get("error")
        if content.get("ok") is True and isinstance(content.get("ts"), str):
            return Outcome("accepted")
        if content.get("ok") is not False or not isinstance(error, str) or error in UNCLEAR:
            return Outcome("unknown", "Slack answered without the time of the message")
        if error in BUSY:
            return Outcome("busy", "Slack: rate limited", is_paced=True)
        if error in TOKEN:
            fix = f"renew the token in {self._options.token_env}, with the scope `chat:write`"
            return Outcome("held", f"Slack: {error}; {fix}, then run again")
        if error in CHANNEL_ERRORS:
            fix = f"let the bot write in the channel `{self._options.channel}`"
            return Outcome("held", f"Slack: {error}; {fix}, then run again")
        return Outcome("rejected", f"Slack: {error}")
