"""Paginators that dlt does not have."""

from __future__ import annotations

from typing import Any, cast

import dlt
from dlt.sources.helpers.rest_client.paginators import BasePaginator, JSONResponseCursorPaginator
from requests import Request, Response

from tideline.landing.systems.rows import instant


def query(request: Request) -> dict[str, Any]:
    """The parameters of a request; dlt always passes a dictionary, but `requests` allows more."""
    return cast("dict[str, Any]", request.params)


class StreamPaginator(BasePaginator):
    """Zendesk's incremental exports: a cursor that stays valid for the next load."""

    def init_request(self, request: Request) -> None:
        """Continue where the last load ended, or start at the beginning."""
        self._state = dlt.current.resource_state()
        if cursor := self._state.get("after_cursor"):
            request.params = {**query(request), "cursor": cursor}
        else:
            request.params = {**query(request), "start_time": 0}

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Remember the cursor; dlt saves it together with the rows."""
        page = response.json()
        # At the end of an empty stream there may be no new cursor.
        self._state["after_cursor"] = page.get("after_cursor") or self._state.get("after_cursor")
        self._has_next_page = not page["end_of_stream"]

    def update_request(self, request: Request) -> None:
        """Request the page after the cursor."""
        query(request).pop("start_time", None)
        query(request)["cursor"] = self._state["after_cursor"]


class KeysetPaginator(BasePaginator):
    """HubSpot's search, paged by id: each request asks for ids above the last one seen.

    Paging by offset ends at 10,000 rows, and skips a row if an earlier one leaves the result. The
    last filter of the request is on the id.
    """

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Remember the last id; a page without `paging` is the last one."""
        self._has_next_page = bool(data) and "paging" in response.json()
        self._last = data[-1]["id"] if data else None

    def update_request(self, request: Request) -> None:
        """Set the filter to the last id."""
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
    """A list without a filter, newest first: stops at the first page with a known row.

    The request's parameter `since` (milliseconds since 1970) is read here and not sent.
    """

    def __init__(self, field: str) -> None:
        """`field`: the column with the timestamp of a row."""
        super().__init__(cursor_path="paging.next.after", cursor_param="after")
        self._field = field

    def init_request(self, request: Request) -> None:
        """Read and remove the parameter `since`."""
        self._since = int(query(request).pop("since"))

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Continue while the oldest row of the page is new."""
        super().update_state(response, data)
        oldest = instant(data[-1].get(self._field)) if data else None
        if oldest is not None and oldest < self._since:
            self._has_next_page = False
