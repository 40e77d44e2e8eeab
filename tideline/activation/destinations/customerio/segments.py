"""Memberships in manual segments: a row is a person in the segment at Customer.io."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tideline.activation.destinations.api import Api, ApiDestination, in_parts
from tideline.activation.destinations.customerio.app import App, open_app
from tideline.activation.destinations.customerio.workspace import (
    LIMITS,
    REQUESTS_PER_SECOND,
    CustomerioOptions,
    open_track,
    problem_of_id,
)
from tideline.activation.destinations.lists import WithLists, by_list
from tideline.activation.destinations.protocol import Capabilities, Operation, Origin, Outcome

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

MOST_PEOPLE = 1000  # per request
UNKNOWN_PERSON = Outcome(
    "rejected",
    "Customer.io has nobody with this `id`; a sync to `customerio_people` with `id_type: id` "
    "creates the person",
)


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(CustomerioOptions, WithLists):
    """`lists`: the id of the manual segment of each segment.

    `app_key_env`: the name of the variable with a key of the App API. `app_url_env`: the name of a
    variable with another address of that API, like `url_env` for the Track API.
    """

    app_key_env: str = "CUSTOMERIO_APP_KEY"
    app_url_env: str | None = None

    def __post_init__(self) -> None:
        """Check the segments."""
        super().__post_init__()
        for segment, each in self.lists.items():
            if not each.isdecimal():
                raise ValueError(
                    f"`lists`: the segment of `{segment}` is '{each}'; write its number at "
                    "Customer.io, in quotes"
                )


class CustomerioSegments(ApiDestination):
    """A row is a membership of a person that exists, found by `id`.

    The Track API takes whatever it is told and ignores people and segments that do not exist, so
    the App API is asked for them first.
    """

    Options: ClassVar[type] = SegmentOptions
    connect = staticmethod(open_track)
    default_batch_rows: ClassVar[int] = MOST_PEOPLE
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Customer.io segments",
        holds="an existing person in the manual segment of a segment",
        delivery="set",
        removal="the person leaves the manual segment",
        rows_per_request=MOST_PEOPLE,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, each request of the Track API held against "
        "Customer.io's specification",
        source=LIMITS,
        page="customerio",
    )

    def __init__(self, api: Api, options: SegmentOptions, app: App) -> None:
        """`api` is the Track API."""
        super().__init__(api, options)
        self._app = app

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Self:
        """Read the credentials of both APIs. Raises NotConfigured if one is not set."""
        options = sync.options
        app = replace(options, url_env=options.app_url_env)
        return cls(
            cls.connect(sync.name, options, environment),
            options,
            App(open_app(sync.name, app, options.app_key_env, environment)),
        )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Remove and add, by requests of at most 1,000 people of one segment."""
        return in_parts(batch, by_list(batch, MOST_PEOPLE), self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change one segment."""
        is_removal, segment = batch[0].op == "remove", batch[0].key["list"]
        kind = self._app.kind_of_segment(segment)
        if kind is None and is_removal:
            return [Outcome("accepted")] * len(batch)  # nobody is in a segment that was deleted
        if kind != "manual":
            what = "there is no such segment" if kind is None else f"the segment is {kind}"
            reason = f"segment `{segment}` cannot be changed: {what}; name a manual one in `lists`"
            return [Outcome("rejected", reason)] * len(batch)
        whos = [str(each.key[self._options.identify]) for each in batch]
        problems = [problem_of_id(who, self._options.identify) for who in whos]
        good = [who for who, problem in zip(whos, problems, strict=True) if problem is None]
        known = good if is_removal else self._app.known_among(good)
        told = self._change(segment, "remove" if is_removal else "add", sorted(set(known)))
        return [
            Outcome("rejected", problem) if problem else told if who in known else UNKNOWN_PERSON
            for who, problem in zip(whos, problems, strict=True)
        ]

    def _change(self, segment: str, what: str, ids: Sequence[str]) -> Outcome:
        """The outcome of each of these people; Customer.io answers for the whole request."""
        if not ids:
            return Outcome("accepted")
        path = f"/api/v1/segments/{segment}/{what}_customers?id_type=id"
        content: Any = self._api.call("POST", path, {"ids": list(ids)}).content
        if content == {}:
            return Outcome("accepted")
        return Outcome("unknown", "Customer.io answered something else than success")
