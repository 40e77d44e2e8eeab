"""The description of a source system, and its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from requests.auth import AuthBase

    from tideline.landing.systems.rows import Window

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class LoadError(Exception):
    """An error that a person must fix; the message has the fix and no personal data."""


class NotConfigured(LoadError):
    """A system has no credentials in the environment."""


@dataclass(frozen=True)
class System:
    """A source system: its address, its logins and its tables.

    - `tables`: description by table.
    - `logins`: alternatives, each a set of variables; the first that is fully set is used.
    - `url`: the address; the variable `url_variable` overrides it and is required without it.
    - `auth`: makes the login from the address and the environment.
    - `resources`: makes the resources of dlt's `rest_api` source.
    - `change_log`: how far back the system reports changes; after a longer pause, everything is
      fetched again.
    """

    name: str
    tables: Mapping[str, str]
    logins: tuple[tuple[str, ...], ...]
    auth: Callable[[str, Mapping[str, str]], AuthBase]
    resources: Callable[[Window, Mapping[str, str]], list[dict[str, Any]]]
    url: str | None = None
    path: str = ""
    headers: Mapping[str, str] | None = None
    change_log: timedelta | None = None

    @property
    def url_variable(self) -> str:
        """Name of the environment variable with the address."""
        return f"TIDELINE_{self.name.upper()}_URL"

    def login(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """The variables of the first complete login. Raises NotConfigured if there is none."""
        ways = self.logins if self.url else [(self.url_variable, *way) for way in self.logins]
        for way in ways:
            if all(environment.get(variable) for variable in way):
                return way
        said = ", or ".join(" and ".join(way) for way in ways)
        raise NotConfigured(
            f"{self.name}: no credentials; set {said} (docs/reference/source-systems.md)"
        )

    def is_configured(self, environment: Mapping[str, str]) -> bool:
        """Whether the environment holds credentials."""
        try:
            return bool(self.login(environment))
        except NotConfigured:
            return False

    def address(self, environment: Mapping[str, str]) -> str:
        """The address without a path. Raises LoadError unless it is https or this machine."""
        url = (environment.get(self.url_variable) or self.url or "").rstrip("/")
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or parts.hostname in LOCAL_HOSTS
        if not parts.hostname or not is_safe:
            raise LoadError(f"{self.name}: {self.url_variable} is not an https:// address")
        return url
