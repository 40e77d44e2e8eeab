"""The whole business: people, their actions, the events that arrived, and the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from examples.shop import catalog, render
from examples.shop import dirt as dirty
from examples.shop import people as population
from examples.shop.archetypes import ARCHETYPES
from examples.shop.clicks import ADDRESS_BITS, KIND, browse
from examples.shop.dirt import Dirt
from examples.shop.people import SLOTS, Lives, People
from examples.shop.server import serve
from examples.shop.ties import Ties, tie
from examples.shop.visits import (
    BUNDLE,
    DAY,
    INTENT,
    KINDS,
    NORMAL,
    draw_visits,
)


@dataclass(frozen=True)
class Business:
    """A generated business.

    `events`: one row per landed line in order of arrival, see `dirt.send`; times are milliseconds
    since `first_day`. `people`, `identifiers`, `bundle_episodes` and `rows` (lines per arrival
    day and kind) are the truth, as in the files of the same names.
    """

    first_day: date
    days: int
    events: pd.DataFrame
    people: pd.DataFrame
    identifiers: pd.DataFrame
    bundle_episodes: pd.DataFrame
    rows: pd.DataFrame
    device_ids: list[str]
    orders: list[str]

    def day(self, index: int) -> date:
        """The date of an arrival day; days are counted from 0."""
        return (np.datetime64(self.first_day) + index).astype(date)

    def lines(self, day: int) -> list[str]:
        """The lines that arrived on a day (counted from 0), without line ends."""
        received = self.events["received"].to_numpy()
        start, end = np.searchsorted(received, [day * DAY, (day + 1) * DAY])
        return render.lines(
            self.events.iloc[start:end],
            len(self.people),
            self.device_ids,
            self.orders,
            np.datetime64(self.first_day),
        )


def generate(people: int, days: int, seed: int, end: date, dirt: Dirt | None = None) -> Business:
    """Generate `people` people over the `days` days before `end`.

    The same arguments give the same result. Raises ValueError for fewer than one person or day, or
    a negative seed.
    """
    if people < 1:
        raise ValueError(f"people is {people}; give at least 1")
    if days < 1:
        raise ValueError(f"days is {days}; give at least 1")
    if seed < 0:
        raise ValueError(f"seed is {seed}; give a whole number from 0 on")
    dirt = dirt or Dirt()
    first_day = (np.datetime64(end) - days).astype(date)
    crowd = population.populate(people, days, dirt.shared_devices, seed)
    lives = population.live(crowd, days, seed)
    ties = tie(crowd, days, dirt.shared_inboxes, dirt.family_tablets, dirt.sold_phones, seed)
    visits = draw_visits(crowd, lives, ties, seed)
    clicks = browse(visits, crowd, seed)
    orders, order_of_visit = _orders(clicks, visits, crowd, seed)
    served = serve(crowd, lives, visits, seed)
    events = dirty.send(_clean(clicks, visits, served), people, days, dirt, seed)
    device_ids = render.anonymous_ids(people * SLOTS + max(1, people // 250), seed)
    return Business(
        first_day=first_day,
        days=days,
        events=events,
        people=_people(crowd, lives, ties, visits, days, first_day),
        identifiers=_identifiers(events, people, device_ids),
        bundle_episodes=_episodes(clicks, visits, order_of_visit, device_ids, first_day, days),
        rows=_rows(events, people, days),
        device_ids=device_ids,
        orders=orders,
    )


def person_id(person: int) -> str:
    """The id of a person in the truth."""
    return f"person_{person:06d}"


def _clean(clicks: pd.DataFrame, visits: pd.DataFrame, served: pd.DataFrame) -> pd.DataFrame:
    of_visit = visits.iloc[clicks["visit"].to_numpy()]
    clicks = clicks.assign(
        person=of_visit["person"].to_numpy(),
        device=of_visit["device"].to_numpy(),
        campaign=of_visit["campaign"].to_numpy(),
    )
    served = served.assign(visit=-1, device=-1, seconds=0, campaign=0, shows_user=True)
    return pd.concat([clicks, served[list(clicks.columns)]], ignore_index=True)


def _orders(
    clicks: pd.DataFrame, visits: pd.DataFrame, crowd: People, seed: int
) -> tuple[list[str], pd.Series]:
    """Fill in the value of each checkout and the order number of each purchase.

    Returns the properties of the orders as JSON, and the order number by visit.
    """
    rng = np.random.default_rng([seed, 10])
    kind = clicks["kind"]
    cents = pd.Series(0, index=clicks.index)
    for event, sign in (("add_to_cart", 1), ("remove_from_cart", -1)):
        moved = kind == KIND[event]
        cents[moved] = sign * catalog.PRICES[clicks.loc[moved, "detail"]]
    value = cents.groupby(clicks["visit"]).sum()
    checkouts = kind == KIND["checkout_start"]
    clicks.loc[checkouts, "detail"] = value.loc[clicks.loc[checkouts, "visit"]].to_numpy()

    purchases = kind == KIND["purchase"]
    bought = clicks.loc[purchases, "visit"].to_numpy()
    clicks.loc[purchases, "detail"] = np.arange(len(bought))
    carts = clicks[kind == KIND["add_to_cart"]].groupby("visit")["detail"].agg(list)
    coupon_rate = crowd.of("coupon")[visits["person"].to_numpy()[bought]]
    has_coupon = (rng.random(len(bought)) < coupon_rate) & (
        visits["kind"].to_numpy()[bought] != BUNDLE
    )
    orders = []
    for number, (visit, reduced) in enumerate(
        zip(bought.tolist(), has_coupon.tolist(), strict=True)
    ):
        total = int(value[visit])
        products = [catalog.product(p) | {"quantity": 1} for p in carts[visit]]
        order = {
            "order_id": f"O{number + 1}",
            "revenue": (total * 85 // 100 if reduced else total) / 100,
            "currency": "EUR",
            "item_count": len(products),
            "products": products,
        }
        orders.append(catalog.dumps(order | ({"coupon": "SAVE15"} if reduced else {})))
    return orders, pd.Series(np.arange(len(bought)), index=bought)


def _people(
    crowd: People,
    lives: Lives,
    ties: Ties,
    visits: pd.DataFrame,
    days: int,
    first_day: date,
) -> pd.DataFrame:
    def on(day: np.ndarray) -> np.ndarray:
        """Days as dates; empty for days outside the data."""
        dates = np.datetime_as_string(np.datetime64(first_day) + np.clip(day, 0, days))
        return np.where((day >= 0) & (day < days), dates, "")

    intenders = visits.loc[(visits["kind"] == INTENT) & (visits["start"] < days * DAY), "person"]
    return pd.DataFrame(
        {
            "person_id": [person_id(p) for p in range(crowd.count)],
            "archetype": np.array([a.name for a in ARCHETYPES])[crowd.archetype],
            "joined_on": on(crowd.joined),
            "decided_to_leave_on": on(lives.decided),
            "left_on": on(lives.left),
            "is_bundle_intender": np.isin(np.arange(crowd.count), intenders),
            "shares_device": crowd.is_shared,
            "shares_inbox": np.bincount(ties.inbox, minlength=crowd.count)[ties.inbox] > 1,
            "shares_tablet": ties.tablet >= 0,
            "sold_phone_on": on(ties.sold_on),
            "bought_phone_on": on(ties.bought_on),
        }
    )


def _identifiers(events: pd.DataFrame, people: int, device_ids: list[str]) -> pd.DataFrame:
    """The person of each landed identifier, without junk; bots are `bot_<n>`."""
    readable = events[events["fault"] != dirty.NOT_JSON]
    junk = readable["junk"]

    def pairs(id_type: str, rows: pd.DataFrame, column: str) -> pd.DataFrame:
        pairs = pd.DataFrame({"person": rows["person"], "value": rows[column]})
        return pairs.drop_duplicates().assign(id_type=id_type)

    cookies = readable[(readable["device"] >= 0) & (junk != dirty.ANONYMOUS_ID_SAME)]
    emails = readable[(readable["kind"] == KIND["identify"]) & (junk != dirty.EMAIL_TEST)]
    emails = emails.assign(address=emails["detail"].to_numpy() >> ADDRESS_BITS)
    found = [
        pairs("anonymous_id", cookies, "device"),
        pairs("user_id", readable[readable["shows_user"]], "person"),
        pairs("email", emails, "address"),
    ]
    text: dict[str, Callable[[int], str]] = {
        "anonymous_id": device_ids.__getitem__,
        "user_id": population.user_id,
        "email": population.email,
    }
    rows = [
        (t, text[t](v), person_id(p) if p < people else f"bot_{p - people:03d}")
        for frame in found
        for t, v, p in frame[["id_type", "value", "person"]].itertuples(index=False)
    ]
    return pd.DataFrame(sorted(rows), columns=["id_type", "id_value", "person_id"])


def _episodes(
    clicks: pd.DataFrame,
    visits: pd.DataFrame,
    order_of_visit: pd.Series,
    device_ids: list[str],
    first_day: date,
    days: int,
) -> pd.DataFrame:
    """Each episode and the bundle bought after it, which may be later than the last landed day."""
    purchased = clicks[clicks["kind"] == KIND["purchase"]].set_index("visit")["occurred"]
    ended = clicks.groupby("visit")["occurred"].max()
    bundles = visits[visits["kind"] == BUNDLE]
    bundle_of = pd.Series(bundles.index, index=bundles["episode"])
    at = visits[~visits["kind"].isin([NORMAL, BUNDLE]) & (visits["start"] < days * DAY)]
    visit = bundle_of.reindex(at["episode"]).to_numpy()

    def instant(milliseconds: pd.Series) -> np.ndarray:
        whole = milliseconds.to_numpy(dtype="float64")
        is_none = np.isnan(whole)
        instants = np.datetime64(first_day, "ms") + np.nan_to_num(whole).astype("timedelta64[ms]")
        texts = np.char.add(np.datetime_as_string(instants, unit="ms"), "Z")
        return np.where(is_none, "", texts)

    order = order_of_visit.reindex(visit)
    return pd.DataFrame(
        {
            "person_id": [person_id(p) for p in at["person"]],
            "kind": [KINDS[k] for k in at["kind"]],
            "started_at": instant(at["start"]),
            "ended_at": instant(ended.loc[at.index]),
            "anonymous_id": [device_ids[d] for d in at["device"]],
            "is_converted": ~np.isnan(visit),
            "order_id": ["" if np.isnan(o) else f"O{int(o) + 1}" for o in order],
            "bundled_at": instant(purchased.reindex(visit)),
        }
    ).sort_values(["started_at", "person_id"], ignore_index=True)


def _rows(events: pd.DataFrame, people: int, days: int) -> pd.DataFrame:
    """Lines per arrival day and kind; a line may have several kinds."""
    is_clean = (events["fault"] == 0) & (events["copy"] == 0)
    kinds = pd.DataFrame(
        {
            "lines": np.ones(len(events), dtype=bool),
            "clean": is_clean,
            "exact_duplicates": events["copy"] == dirty.EXACT_DUPLICATE,
            "resent_duplicates": events["copy"] == dirty.RESENT_DUPLICATE,
            "plan_breaking": events["fault"] > 0,
            "not_json": events["fault"] == dirty.NOT_JSON,
            "bots": is_clean & (events["person"] >= people),
            "late": is_clean & events["is_late"],
            "out_of_order": is_clean & events["is_held"],
            "skewed_clocks": is_clean & events["is_skewed"],
            "future": is_clean & events["is_future"],
            "junk_identifiers": is_clean & (events["junk"] != 0),
        }
    )
    by_day = kinds.groupby(events["received"].to_numpy() // DAY).sum()
    return by_day.reindex(range(days), fill_value=0).astype(int)
