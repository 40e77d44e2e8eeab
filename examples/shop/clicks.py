"""The clickstream of visits to the web shop and the app."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from examples.shop import catalog
from examples.shop.catalog import PRODUCTS_PER_CATEGORY
from examples.shop.people import APP, People, varied
from examples.shop.visits import (
    BUNDLE,
    INTENT,
    JACKETS_ONLY,
    NAMED,
    NORMAL,
    REMEMBERED,
    SECOND,
    SHOES_ONLY,
    SIGNS_IN,
    SIGNS_UP,
    SUBSCRIBES,
)

# Kinds of events, with their names in the tracking plan.
EVENTS = (
    "page_view", "product_search", "product_view", "time_on_page", "add_to_cart",
    "remove_from_cart", "checkout_start", "purchase", "feature_use", "user_signup", "login",
    "identify", "form_submit", "email_open", "email_click", "support_ticket", "trial_start",
    "subscription_start", "subscription_cancel",
)  # fmt: skip
KIND = {event: kind for kind, event in enumerate(EVENTS)}

# The detail of an `identify` has the person in its low bits, and in its high bits the person whose
# address is given.
ADDRESS_BITS = 32

# Positions in a visit: from 0, the landing page, to 3, the checkout.
_SIGN_IN, _BROWSE, _LATE, _CHECKOUT, _AFTER = 0.1, 1.0, 2.0, 3.0, 4.0
_NEXT = 1e-6  # directly afterwards


@dataclass
class _Steps:
    """Steps of visits, unordered."""

    parts: list[dict[str, np.ndarray]] = field(default_factory=list)

    def add(
        self,
        event: str,
        visit: np.ndarray,
        position: np.ndarray | float,
        detail: np.ndarray | int = 0,
        seconds: np.ndarray | int = 0,
    ) -> None:
        """Add one step per entry of `visit`; scalars apply to all."""
        shape = visit.shape
        self.parts.append(
            {
                "visit": visit,
                "kind": np.full(shape, KIND[event], dtype=np.int8),
                "position": np.broadcast_to(np.asarray(position, dtype=float), shape),
                "detail": np.broadcast_to(np.asarray(detail, dtype=np.int64), shape),
                "seconds": np.broadcast_to(np.asarray(seconds, dtype=np.int64), shape),
            }
        )

    def frame(self) -> pd.DataFrame:
        """All steps, sorted by visit and position."""
        columns = self.parts[0]
        frame = pd.DataFrame({c: np.concatenate([p[c] for p in self.parts]) for c in columns})
        order = np.lexsort((frame["position"].to_numpy(), frame["visit"].to_numpy()))
        return frame.iloc[order].reset_index(drop=True)


def browse(visits: pd.DataFrame, people: People, seed: int) -> pd.DataFrame:
    """The clickstream of all visits: one row per event, sorted by visit and time.

    Columns: `visit` (row of `visits`), `kind` (index into `EVENTS`), `detail` (page, product,
    search, feature or identity, depending on the kind), `seconds` (of time_on_page), `occurred` (ms
    since the first day), `shows_user` (whether the event carries the user id).
    """
    rng = np.random.default_rng([seed, 5])
    steps = _Steps()
    _entries(steps, visits, people, rng)
    _ordinary(steps, visits, people, rng)
    _episodes(steps, visits, rng)
    known_from = _sign_ins(steps, visits)
    clicks = steps.frame()
    clicks["occurred"] = _instants(clicks, visits, people, rng)
    clicks["shows_user"] = clicks["position"].to_numpy() >= known_from[clicks["visit"]]
    return clicks.drop(columns="position")


def _entries(steps: _Steps, visits: pd.DataFrame, people: People, rng: np.random.Generator) -> None:
    """Add landing pages, further pages and uses of features."""
    visit = np.arange(len(visits))
    categories = len(catalog.CATEGORIES)
    lands_deep = rng.random(len(visit)) < 0.3
    deep = catalog.CATEGORY_PAGES + rng.integers(0, categories, len(visit))
    steps.add("page_view", visit, 0, np.where(lands_deep, deep, catalog.HOME))
    more = np.repeat(visit, rng.poisson(0.4, len(visit)))
    page = catalog.CATEGORY_PAGES + rng.integers(0, categories, len(more))
    steps.add("page_view", more, rng.uniform(_BROWSE, _LATE, len(more)), page)

    uses = varied(rng, people.of("features"))[visits["person"]]
    uses = rng.poisson(uses * visits["interest"] * np.where(visits["slot"] == APP, 1, 1 / 3))
    user = np.repeat(visit, uses)
    adopted = people.adopted[visits["person"].to_numpy()[user]]
    feature = np.argmax(rng.random(adopted.shape, dtype=np.float32) * adopted, axis=1)
    steps.add("feature_use", user, rng.uniform(_BROWSE, _LATE, len(user)), feature)


def _products(category: np.ndarray, taste: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random product per category; `taste` above 1 prefers expensive ones."""
    rank = PRODUCTS_PER_CATEGORY * rng.random(len(category)) ** (1 / taste)
    return category * PRODUCTS_PER_CATEGORY + rank.astype(np.int64)


def _ordinary(
    steps: _Steps, visits: pd.DataFrame, people: People, rng: np.random.Generator
) -> None:
    """Add the steps of normal visits: searches, views around one category, carts, orders."""
    person = visits["person"].to_numpy()
    visit = np.flatnonzero(visits["kind"] == NORMAL)
    person = person[visit]
    count = len(visit)
    focus = rng.choice(len(catalog.CATEGORIES), count, p=[0.3, 0.15, 0.2, 0.2, 0.15])
    taste = people.of("taste")[person]
    buys = rng.random(count) < varied(rng, people.of("buys"))[person]
    abandons = ~buys & (rng.random(count) < 0.07)

    interest = visits["interest"].to_numpy()[visit]
    searches = rng.poisson(varied(rng, people.of("searches"))[person] * interest)
    _search(steps, visit, focus, searches, rng)

    views = rng.poisson(varied(rng, people.of("views"))[person] * interest)
    views = np.repeat(np.arange(count), views)
    strays = rng.random(len(views)) < 0.3
    category = np.where(strays, rng.integers(0, len(catalog.CATEGORIES), len(views)), focus[views])
    # An abandoned cart with expensive shoes plus viewed jackets would be an `INTENT` episode.
    category[abandons[views] & (category == catalog.JACKETS)] = catalog.SHIRTS
    reads = rng.random(len(views)) < people.of("reads")[person[views]]
    seconds = 5 + people.of("dwell")[person[views]] * rng.gamma(2, 0.8, len(views))
    position = rng.uniform(_BROWSE + 0.2, _LATE, len(views))
    _view(steps, visit[views], position, _products(category, taste[views], rng), reads, seconds)

    # Orders and carts: usually products of one category, rarely of another one.
    extra = rng.poisson(people.of("basket")[person])
    items = np.repeat(np.arange(count), np.where(buys, 1 + extra, abandons))
    strays = rng.random(len(items)) < 0.03
    category = np.where(strays, rng.integers(0, len(catalog.CATEGORIES), len(items)), focus[items])
    category[abandons[items] & (category == catalog.JACKETS)] = catalog.SHIRTS
    product = _products(category, taste[items], rng)
    is_new = ~pd.DataFrame({"visit": items, "product": product}).duplicated().to_numpy()
    items, product = items[is_new], product[is_new]
    position = rng.uniform(_BROWSE + 0.2, _LATE, len(items))
    _view(steps, visit[items], position, product)
    steps.add("add_to_cart", visit[items], position + 3 * _NEXT, product)
    removed = abandons[items] & (rng.random(len(items)) < 0.25)
    steps.add("remove_from_cart", visit[items[removed]], _LATE + 0.5, product[removed])
    reaches_checkout = buys | (abandons & (rng.random(count) < 0.25))
    reaches_checkout[items[removed]] = False  # their cart is empty
    steps.add("checkout_start", visit[reaches_checkout], _CHECKOUT)
    steps.add("purchase", visit[buys], _CHECKOUT + _NEXT)


def _search(
    steps: _Steps,
    visit: np.ndarray,
    category: np.ndarray,
    count: np.ndarray,
    rng: np.random.Generator,
) -> None:
    again = np.repeat(np.arange(len(visit)), count)
    section = rng.integers(0, 5, len(again))
    position = rng.uniform(_BROWSE, _BROWSE + 0.6, len(again))
    steps.add("product_search", visit[again], position, category[again] * 5 + section)


def _view(
    steps: _Steps,
    visit: np.ndarray,
    position: np.ndarray,
    product: np.ndarray,
    reads: np.ndarray | None = None,
    seconds: np.ndarray | None = None,
) -> None:
    """Add product views; those with `reads` are followed by their time on page."""
    steps.add("product_view", visit, position, product)
    if reads is not None and seconds is not None:
        long = np.minimum(seconds[reads], 600).astype(np.int64)
        steps.add("time_on_page", visit[reads], position[reads] + _NEXT, product[reads], long)


def _episodes(steps: _Steps, visits: pd.DataFrame, rng: np.random.Generator) -> None:
    """Add the bundle episodes, similar episodes without intent, and the bundle purchases."""
    kind = visits["kind"].to_numpy()
    shoes, jackets = visits["shoe"].to_numpy(), visits["jacket"].to_numpy()

    def of(*kinds: int) -> np.ndarray:
        return np.flatnonzero(np.isin(kind, kinds))

    everyone = of(INTENT, SHOES_ONLY, JACKETS_ONLY)
    searches = (rng.random(len(everyone)) < 0.7).astype(int)
    footwear = np.where(kind[everyone] == JACKETS_ONLY, catalog.JACKETS, catalog.FOOTWEAR)
    _search(steps, everyone, footwear, searches, rng)

    def view_shoes(visit: np.ndarray, position: float) -> None:
        """View the shoes for one to two minutes."""
        seconds = rng.integers(60, 121, len(visit))
        reads = np.ones(len(visit), dtype=bool)
        _view(steps, visit, np.full(len(visit), position), shoes[visit], reads, seconds)

    def view_more(visit: np.ndarray, category: int, least: int, most: int) -> None:
        """View other products of a category late in the visit."""
        again = np.repeat(visit, rng.integers(least, most + 1, len(visit)))
        other = category * PRODUCTS_PER_CATEGORY + rng.integers(
            0, PRODUCTS_PER_CATEGORY, len(again)
        )
        _view(steps, again, rng.uniform(_LATE + 0.1, _LATE + 0.3, len(again)), other)

    carts = of(INTENT, SHOES_ONLY)
    view_shoes(carts, _BROWSE + 0.7)
    steps.add("add_to_cart", carts, _LATE, shoes[carts])
    # First the jacket of the later order is viewed, then one to four others.
    looks = of(INTENT, JACKETS_ONLY)
    _view(steps, looks, np.full(len(looks), _LATE + 0.05), jackets[looks])
    view_more(looks, catalog.JACKETS, 1, 4)
    view_more(of(SHOES_ONLY), catalog.SHIRTS, 0, 3)
    jackets_only = of(JACKETS_ONLY)
    view_shoes(jackets_only[rng.random(len(jackets_only)) < 0.3], _BROWSE + 0.7)

    bundle = of(BUNDLE)
    _view(steps, bundle, np.full(len(bundle), _BROWSE + 0.5), shoes[bundle])
    steps.add("add_to_cart", bundle, _BROWSE + 0.6, shoes[bundle])
    _view(steps, bundle, np.full(len(bundle), _BROWSE + 0.7), jackets[bundle])
    steps.add("add_to_cart", bundle, _BROWSE + 0.8, jackets[bundle])
    steps.add("checkout_start", bundle, _CHECKOUT)
    steps.add("purchase", bundle, _CHECKOUT + _NEXT)


def _sign_ins(steps: _Steps, visits: pd.DataFrame) -> np.ndarray:
    """Add sign-ups, sign-ins and newsletters; return the position from which users are known."""
    known = visits["known"].to_numpy()
    said = visits["person"].to_numpy() + (visits["address"].to_numpy() << ADDRESS_BITS)
    # Buyers of a bundle sign up just before the checkout, others early.
    early = np.where(visits["kind"] == BUNDLE, _LATE + 0.9, _SIGN_IN)
    known_from = np.full(len(visits), np.inf)
    known_from[known == REMEMBERED] = -np.inf
    for state, event in ((SIGNS_UP, "user_signup"), (SIGNS_IN, "login")):
        visit = np.flatnonzero(known == state)
        # People with an account sign in on arrival, so the whole visit is known.
        position = early[visit] if state == SIGNS_UP else np.full(len(visit), -1.0)
        known_from[visit] = position
        steps.add("identify", visit, position, said[visit])
        steps.add(event, visit, position + _NEXT)
    visit = np.flatnonzero(known == NAMED)
    steps.add("identify", visit, _NEXT, said[visit])
    visit = np.flatnonzero(known == SUBSCRIBES)
    steps.add("form_submit", visit, _AFTER)
    steps.add("identify", visit, _AFTER + _NEXT, said[visit])
    return known_from


def _instants(
    clicks: pd.DataFrame, visits: pd.DataFrame, people: People, rng: np.random.Generator
) -> np.ndarray:
    """The time of each step: lognormal gaps with the archetype's dwell time."""
    visit = clicks["visit"].to_numpy()
    dwell = people.of("dwell")[visits["person"].to_numpy()[visit]]
    gap = np.minimum(dwell * rng.lognormal(0, 0.7, len(clicks)), 900) * SECOND
    gap = np.where(clicks["kind"] == KIND["time_on_page"], clicks["seconds"] * SECOND, gap)
    at_once = np.isin(clicks["kind"], [KIND["identify"], KIND["login"], KIND["user_signup"]])
    gap = np.where(at_once, rng.integers(50, 400, len(clicks)), gap).astype(np.int64)
    elapsed = np.cumsum(gap)
    first = np.flatnonzero(np.r_[True, visit[1:] != visit[:-1]])
    before = np.repeat(elapsed[first], np.diff(np.r_[first, len(visit)]))
    return visits["start"].to_numpy()[visit] + elapsed - before
