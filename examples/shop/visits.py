"""The visits of people: time, device, kind, and whether the shop knows the visitor."""

import numpy as np
import pandas as pd

from examples.shop import catalog
from examples.shop import people as population
from examples.shop.people import NEVER, Lives, People
from examples.shop.ties import Ties, moved

SECOND, HOUR, DAY = 1000, 3_600_000, 86_400_000  # milliseconds

# Kinds of visits. The three episodes are similar, but only INTENT usually leads to a bundle.
NORMAL, INTENT, SHOES_ONLY, JACKETS_ONLY, BUNDLE = range(5)
KINDS = ("normal", "intent", "shoes_only", "jackets_only", "bundle")
EPISODE_RATES = {INTENT: 0.012, SHOES_ONLY: 0.012, JACKETS_ONLY: 0.016}  # per visit
BUNDLE_RATES = {INTENT: 0.75, SHOES_ONLY: 0.03, JACKETS_ONLY: 0.02}  # per episode

# How the shop knows the visitor. SUBSCRIBES: by the newsletter form. NAMED: by a newsletter's link.
ANONYMOUS, SIGNS_UP, SIGNS_IN, REMEMBERED, SUBSCRIBES, NAMED = range(6)


def draw_visits(people: People, lives: Lives, ties: Ties, seed: int) -> pd.DataFrame:
    """Draw all visits: one row each, sorted by person and time.

    Columns: `person`, `start` (ms since the first day), `kind`, `slot`, `device`, `shoe` and
    `jacket` (products of an episode), `episode` (number of the episode, also in the resulting
    bundle visit, else -1), `interest` (1: as usual, less before leaving), `known`, `campaign`,
    `address` (the person whose email address is given), `by_link` (whether the visit comes from a
    newsletter's link).
    """
    rng = np.random.default_rng([seed, 4])
    visits = _ordinary(people, lives, rng)
    visits = pd.concat([visits, _bundles(people, lives, visits, rng)], ignore_index=True)
    visits = visits.sort_values(["person", "start"], kind="stable", ignore_index=True)
    visits["device"] = people.devices[visits["person"], visits["slot"]]
    visits = moved(visits, ties, visits["start"].to_numpy() // DAY, seed)
    visits["known"] = _known(people, visits, rng)
    visits["campaign"] = _campaign(people, visits, rng)
    return visits


def _ordinary(people: People, lives: Lives, rng: np.random.Generator) -> pd.DataFrame:
    days = lives.visits.shape[1]
    per_cell = lives.visits.ravel()
    cell = np.repeat(np.arange(len(per_cell)), per_cell)
    nth = np.arange(len(cell)) - np.repeat(np.cumsum(per_cell) - per_cell, per_cell)
    person, day = np.divmod(cell, days)
    # Up to three visits a day, in different ones of morning, afternoon and evening.
    part = (rng.integers(0, 3, len(per_cell))[cell] + nth) % 3
    hours = 7 + 5.5 * part + rng.uniform(0, 3.5, len(cell))
    start = day * DAY + (hours * HOUR).astype(np.int64)

    is_new = people.joined[person] >= 0
    weight = people.of("intent")[person] * np.where(is_new, 1.3, 1.0)
    draw = rng.random(len(cell)) / weight
    edges = np.cumsum([0, *EPISODE_RATES.values()])
    kind = np.select(
        [(edges[i] <= draw) & (draw < edges[i + 1]) for i in range(len(EPISODE_RATES))],
        list(EPISODE_RATES),
        NORMAL,
    )
    shoe_low, shoe_high = catalog.FIRST_EXPENSIVE_SHOE, catalog.PRODUCTS_PER_CATEGORY
    first_jacket = catalog.JACKETS * catalog.PRODUCTS_PER_CATEGORY
    return pd.DataFrame(
        {
            "person": person,
            "start": start,
            "kind": kind,
            "slot": _slot(people, person, day, rng),
            "shoe": rng.integers(shoe_low, shoe_high, len(cell)),
            "jacket": first_jacket + rng.integers(0, shoe_high, len(cell)),
            "episode": np.where(kind == NORMAL, -1, np.cumsum(kind != NORMAL) - 1),
            "interest": lives.activity[person, day],
        }
    )


def _slot(
    people: People, person: np.ndarray, day: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    slots = people.slots[person]
    in_app = slots[:, population.APP] & (rng.random(len(person)) < people.of("app_visits")[person])
    on_phone = slots[:, population.PHONE] & (
        ~slots[:, population.LAPTOP] | (rng.random(len(person)) < 0.45)
    )
    laptop = np.where(day >= people.cleared[person], population.NEW_LAPTOP, population.LAPTOP)
    return np.where(in_app, population.APP, np.where(on_phone, population.PHONE, laptop))


def _bundles(
    people: People, lives: Lives, visits: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """The visits with the purchase of a bundle, within 72 hours after an episode."""
    rate = visits["kind"].map(BUNDLE_RATES).fillna(0).to_numpy()
    lag = (3 + 66 * rng.beta(1.2, 2.0, len(visits))) * HOUR
    # Visits are between 7 and 22 o'clock, so visits in the night are moved to the evening before.
    start = (visits["start"] + lag).astype("int64")
    hour = start % DAY // HOUR
    start = start.where(hour >= 7, start - (hour + 2) * HOUR)
    person = visits["person"].to_numpy()
    stays = start.to_numpy() // DAY < lives.left[person]
    returns = (rng.random(len(visits)) < rate) & stays & (start > visits["start"] + 2 * HOUR)
    bundles = visits[returns].assign(start=start[returns], kind=BUNDLE)
    # People with an account may return on another of their devices.
    person = bundles["person"].to_numpy()
    day = bundles["start"].to_numpy() // DAY
    other = _slot(people, person, day, rng)
    moves = people.had_account[person] & (rng.random(len(bundles)) < 0.3)
    return bundles.assign(slot=np.where(moves, other, bundles["slot"]))


def _known(people: People, visits: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """How the shop knows the visitor, per visit."""
    person = visits["person"].to_numpy()
    ordinal = visits.groupby("person").cumcount().to_numpy()

    # The number of the visit in which a person signs up; -1: before the first day.
    chance = np.where(people.of("account") > 0.7, 0.35, 0.15)
    signs_up_at = rng.geometric(chance) - 1
    signs_up_at[rng.random(people.count) > 0.4 + 0.55 * people.of("account")] = NEVER
    signs_up_at[people.had_account] = -1
    # Half of the buyers of a bundle without an account sign up before the checkout.
    converts = (visits["kind"] == BUNDLE).to_numpy() & (rng.random(len(visits)) < 0.5)
    np.minimum.at(signs_up_at, person[converts], ordinal[converts])
    # Four of ten leave their email for the newsletter, most in their first visits.
    subscribes_at = rng.geometric(0.4, people.count) - 1
    subscribes_at[rng.random(people.count) > 0.4] = NEVER

    has_account = ordinal > signs_up_at[person]
    in_app = (visits["slot"] == population.APP).to_numpy()
    on_shared = people.is_shared[person] & (visits["slot"] == population.LAPTOP).to_numpy()
    is_known = has_account & (in_app | on_shared | (rng.random(len(visits)) < 0.72))
    signs_up = ordinal == signs_up_at[person]
    is_named = visits["by_link"].to_numpy() & ~signs_up
    seen = visits[["person", "device"]][is_known | signs_up]
    is_first = np.zeros(len(visits), dtype=bool)
    is_first[seen.index] = ~seen.duplicated()
    # People on a shared device sign in each time; others the first time and when signed out.
    signs_in = is_known & (is_first | on_shared | (~in_app & (rng.random(len(visits)) < 0.2)))
    subscribes = (ordinal == subscribes_at[person]) & (ordinal < signs_up_at[person])
    return np.select(
        [signs_up, is_named, signs_in, is_known, subscribes],
        [SIGNS_UP, NAMED, SIGNS_IN, REMEMBERED, SUBSCRIBES],
        ANONYMOUS,
    )


def _campaign(people: People, visits: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """The campaign that brought the visitor; app visits have none."""
    by_email = 0.5 * people.of("email_open")[visits["person"]]
    draw = rng.random(len(visits))
    campaign = np.select(
        [draw < by_email, draw > 0.94, draw > 0.88],
        [catalog.EMAIL_CAMPAIGN, catalog.SEARCH_AD, catalog.SOCIAL_AD],
        catalog.NO_CAMPAIGN,
    )
    campaign = np.where(visits["by_link"], catalog.EMAIL_CAMPAIGN, campaign)
    return np.where(visits["slot"] == population.APP, catalog.NO_CAMPAIGN, campaign)
