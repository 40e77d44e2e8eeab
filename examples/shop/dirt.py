"""Faults between a device and the landing folder, each kind with its rate."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from examples.shop import catalog
from examples.shop.clicks import KIND
from examples.shop.people import SLOTS
from examples.shop.visits import DAY, HOUR, SECOND

# Values of `copy`, `junk` and `fault` in the rows; 0 is a clean row.
EXACT_DUPLICATE, RESENT_DUPLICATE = 1, 2
USER_ID_NULL, ANONYMOUS_ID_SAME, EMAIL_TEST = 1, 2, 3
NOT_JSON = -1  # faults above 0 are entries of PLAN_BREAKING
JUNK = {"user_id": "null", "anonymous_id": "anonymous", "email": "test@test.com"}

PLAN_BREAKING = (
    ("hover", {"element": "hero"}),  # unknown events
    ("scroll_depth", {"percent": 75}),
    ("Product Viewed", {"name": "Trail Runner 1", "category": "footwear"}),  # required one missing
    ("Products Searched", {"category": "jackets"}),
    ("feature_use", {"screen": "home"}),
    ("time_on_page", {"seconds": "a while"}),  # of the wrong type
    ("Order Completed", {"order_id": "O0", "revenue": "free"}),
    ("support_ticket", {"ticket_id": "T0", "priority": "asap"}),  # a value that is not allowed
)


def rate(default: float, what: str) -> Any:
    """A field of `Dirt`; `tideline sample --help` shows the text `what`."""
    return field(default=default, metadata={"what": what})


@dataclass(frozen=True)
class Dirt:
    """Rates from 0 to 1, of all clean messages unless stated otherwise."""

    exact_duplicates: float = rate(0.004, "the same line again")
    resent_duplicates: float = rate(0.006, "the same message, sent and received again later")
    late: float = rate(0.02, "of visits: uploaded hours to days later")
    out_of_order: float = rate(0.03, "held back by 1 to 20 minutes")
    skewed_clocks: float = rate(0.02, "of devices: wrong by 10 minutes to 3 days, either way")
    future: float = rate(0.001, "original timestamp days to a year ahead, other clocks right")
    bots: float = rate(0.02, "crawler messages, in addition to the clean ones")
    junk_identifiers: float = rate(0.003, "`null`, `anonymous`, `test@test.com`")
    shared_devices: float = rate(0.02, "of people: two accounts on one laptop")
    shared_inboxes: float = rate(0.01, "of people: two accounts with one address")
    family_tablets: float = rate(0.006, "of people: three with an account on one tablet")
    sold_phones: float = rate(0.01, "of people: sold to another with its cookie")
    plan_breaking: float = rate(0.003, "messages that break the plan, in addition")
    not_json: float = rate(0.0005, "lines cut in half, in addition")

    def __post_init__(self) -> None:
        """Raise ValueError for a rate outside 0 to 1."""
        for rate in fields(self):
            value = getattr(self, rate.name)
            if not 0 <= value <= 1:
                raise ValueError(f"dirt rate {rate.name} is {value}; give a number from 0 to 1")

    @classmethod
    def none(cls) -> "Dirt":
        """No dirt at all."""
        return cls(**{rate.name: 0.0 for rate in fields(cls)})


def send(clean: pd.DataFrame, people: int, days: int, dirt: Dirt, seed: int) -> pd.DataFrame:
    """Send clean events through devices, networks and bugs; return rows in order of arrival.

    Adds to the columns of `clean` (`person`, `device`, `visit`, `kind`, `detail`, `occurred`, ...;
    `device` and `visit` are -1 on the server): `message` (uint64), `original`, `sent`, `received`,
    `timestamp` (ms since the first day), `copy`, `junk`, `fault`. Rows that would arrive after the
    last day are left out.
    """
    rng = np.random.default_rng([seed, 7])
    rows = pd.concat([clean, _crawl(len(clean), people, days, dirt, seed)], ignore_index=True)
    rows["message"] = _message_ids(len(rows), rng)
    _clocks(rows, dirt, rng)
    rows["junk"] = _junk(rows, dirt, rng)
    rows["copy"] = 0
    rows["fault"] = 0
    rows = pd.concat(
        [rows, _duplicates(rows, dirt, rng), _broken(rows, dirt, rng)], ignore_index=True
    )
    rows = rows[rows["received"] < days * DAY]
    return rows.sort_values("received", kind="stable", ignore_index=True)


def _message_ids(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 1 << 63, count, dtype=np.uint64)


def _crawl(clean: int, people: int, days: int, dirt: Dirt, seed: int) -> pd.DataFrame:
    """The events of bots: runs of 50 pages, one every 1.4 seconds."""
    rng = np.random.default_rng([seed, 8])
    run_length = 50
    count = round(clean * dirt.bots)
    bots = max(1, people // 250)
    run, nth = np.divmod(np.arange(count), run_length)
    runs = count // run_length + 1
    bot = rng.integers(0, bots, runs)[run]
    start = rng.integers(0, max(days * DAY - HOUR, 1), runs)[run]
    products = rng.random(count) < 0.6
    detail = rng.integers(0, catalog.PRODUCT_COUNT, count)
    return pd.DataFrame(
        {
            "person": people + bot,
            "device": people * SLOTS + bot,
            "visit": -1,
            "kind": np.where(products, KIND["product_view"], KIND["page_view"]),
            "detail": np.where(products, detail, catalog.PRODUCT_PAGES + detail),
            "seconds": 0,
            "campaign": catalog.NO_CAMPAIGN,
            "shows_user": False,
            "occurred": start + nth * 1400,
        }
    )


def _clocks(rows: pd.DataFrame, dirt: Dirt, rng: np.random.Generator) -> None:
    """Add the times of creation and sending (device's clock) and of arrival (server's clock)."""
    count = len(rows)
    device = rows["device"].to_numpy()
    visit = rows["visit"].to_numpy()
    devices = max(int(device.max(initial=-1)), 0) + 2  # the last one, -1, is the server
    network = rng.integers(30, 400, devices)
    skew = rng.integers(HOUR // 6, 3 * DAY, devices) * rng.choice([-1, 1], devices)
    skew[(rng.random(devices) >= dirt.skewed_clocks)] = 0
    skew[-1] = 0
    visits = max(int(visit.max(initial=-1)), 0) + 2  # the last one, -1, means no visit
    offline = np.exp(rng.uniform(np.log(2 * HOUR), np.log(4 * DAY), visits)).astype(np.int64)
    offline[rng.random(visits) >= dirt.late] = 0
    offline[-1] = 0
    held = rng.integers(60 * SECOND, 1200 * SECOND, count)
    held[rng.random(count) >= dirt.out_of_order] = 0
    ahead = rng.integers(2 * DAY, 365 * DAY, count)
    ahead[rng.random(count) >= dirt.future] = 0

    occurred = rows["occurred"].to_numpy()
    delay = 100 + held + offline[visit]
    rows["original"] = occurred + skew[device] + ahead
    rows["sent"] = occurred + skew[device] + delay
    rows["received"] = occurred + delay + network[device]
    # As in Segment: the sending time by the device's clock shows how far that clock is off.
    rows["timestamp"] = rows["received"] - (rows["sent"] - rows["original"])
    for name, is_dirty in (
        ("is_late", offline[visit] > 0),
        ("is_held", held > 0),
        ("is_skewed", skew[device] != 0),
        ("is_future", ahead > 0),
    ):
        rows[name] = is_dirty


def _junk(rows: pd.DataFrame, dirt: Dirt, rng: np.random.Generator) -> np.ndarray:
    """The identifier of each row that is replaced with junk; 0 for none."""
    is_junk = (rng.random(len(rows)) < dirt.junk_identifiers) & (rows["visit"] >= 0).to_numpy()
    loses_cookie = (rng.random(len(rows)) < 0.5) | rows["shows_user"].to_numpy()
    kind = np.where(loses_cookie, ANONYMOUS_ID_SAME, USER_ID_NULL)
    kind = np.where(rows["kind"] == KIND["identify"], EMAIL_TEST, kind)
    return np.where(is_junk, kind, 0)


def _duplicates(rows: pd.DataFrame, dirt: Dirt, rng: np.random.Generator) -> pd.DataFrame:
    exact = rows[rng.random(len(rows)) < dirt.exact_duplicates].assign(copy=EXACT_DUPLICATE)
    resent = rows[rng.random(len(rows)) < dirt.resent_duplicates].assign(copy=RESENT_DUPLICATE)
    lag = np.exp(rng.uniform(np.log(60 * SECOND), np.log(3 * DAY), len(resent))).astype(np.int64)
    resent = resent.assign(sent=resent["sent"] + lag, received=resent["received"] + lag)
    return pd.concat([exact, resent])


def _broken(rows: pd.DataFrame, dirt: Dirt, rng: np.random.Generator) -> pd.DataFrame:
    """Additional broken messages, derived from good ones."""
    views = rows[(rows["kind"] == KIND["product_view"]) & (rows["visit"] >= 0)]
    parts = []
    for rate, worst in ((dirt.plan_breaking, len(PLAN_BREAKING)), (dirt.not_json, NOT_JSON)):
        count = round(len(rows) * rate) if len(views) else 0
        broken = views.iloc[rng.integers(0, max(len(views), 1), count)] if count else views[:0]
        fault = rng.integers(1, worst + 1, count) if worst > 0 else NOT_JSON
        parts.append(broken.assign(fault=fault, message=_message_ids(count, rng)))
    return pd.concat(parts)
