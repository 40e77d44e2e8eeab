"""Paging that dlt has no paginator for."""

from __future__ import annotations

from typing import Any, cast

import dlt
from dlt.sources.helpers.rest_client.paginators import BasePaginator, JSONResponseCursorPaginator
from requests import Request, Response

from tideline.landing.systems.rows import instant


def query(request: Request) -> dict[str, Any]:
    """The parameters of a request; dlt gives them as a dictionary, requests would take others."""
    return cast("dict[str, Any]", request.params)


class StreamPaginator(BasePaginator):
    """Zendesk's incremental exports: a cursor that stays good, also for the next load."""

    def init_request(self, request: Request) -> None:
        """Go on where the last load ended, else from the beginning."""
        self._state = dlt.current.resource_state()
        if cursor := self._state.get("after_cursor"):
            request.params = {**query(request), "cursor": cursor}
        else:
            request.params = {**query(request), "start_time": 0}

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Keep the cursor; dlt saves it together with the rows."""
        page = response.json()
        # At the end of an empty stream there may be no new cursor.
        self._state["after_cursor"] = page.get("after_cursor") or self._state.get("after_cursor")
        self._has_next_page = not page["end_of_stream"]

    def update_request(self, request: Request) -> None:
        """Ask for what comes after the cursor."""
        query(request).pop("start_time", None)
        query(request)["cursor"] = self._state["after_cursor"]


class KeysetPaginator(BasePaginator):
    """HubSpot's search, by id: ask for the ids above the last one seen.

    Pages by offset end at 10,000 rows, and skip rows when one before them leaves the result. The
    last filter of the request is on the id.
    """

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Remember the last id; without `paging` the page is the last one."""
        self._has_next_page = bool(data) and "paging" in response.json()
        self._last = data[-1]["id"] if data else None

    def update_request(self, request: Request) -> None:
        """Move the filter."""
        body: Any = request.json
        body["filterGroups"][0]["filters"][-1]["value"] = self._last


class LastRowPaginator(BasePaginator):
    """Stripe's lists: the next page starts after the last row."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Remember the last id."""
        self._has_next_page = bool(data) and response.json()["has_more"]
        self._last = data[-1]["id"] if data else None

    def update_request(self, request: Request) -> None:
        """Start after the last id."""
        query(request)["starting_after"] = self._last


class NewestFirstPaginator(JSONResponseCursorPaginator):
    """A list without a filter, newest first: stop at the first page that reaches the known rows.

    `field` is the instant of a row; the request's parameter `since` (ms) is for us, not for the
    system.
    """

    def __init__(self, field: str) -> None:
        """Page by `after`."""
        super().__init__(cursor_path="paging.next.after", cursor_param="after")
        self._field = field

    def init_request(self, request: Request) -> None:
        """Take our parameter."""
        self._since = int(query(request).pop("since"))

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Go on while the oldest row of the page is new."""
        super().update_state(response, data)
        oldest = instant(data[-1].get(self._field)) if data else None
        if oldest is not None and oldest < self._since:
            self._has_next_page = False
