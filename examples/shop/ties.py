"""Identifiers that people share, besides laptops: an inbox, a family's tablet, a sold phone."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from examples.shop.people import (
    LAPTOP,
    NEVER,
    NEW_LAPTOP,
    PHONE,
    People,
)

FAMILY = 3  # people who share a tablet
_TABLET_VISITS = 0.4  # share of the visits on the phone that move to the tablet
_WORK_VISITS = 0.2  # share of the visits on the laptop that move to the computer at work


@dataclass(frozen=True)
class Ties:
    """Arrays with one entry per person."""

    inbox: np.ndarray  # the person whose email address they give
    tablet: np.ndarray  # the family's tablet (a device), or -1
    bought_phone: np.ndarray  # the phone bought from a person who stays signed in, or -1
    bought_on: np.ndarray  # day of buying it, or NEVER
    sold_on: np.ndarray  # day of selling their own phone, or NEVER
    work: np.ndarray  # the computer at work for newsletters, never signed in, or -1
    signs_in: np.ndarray  # whether they sign in on a bought phone


def tie(
    people: People, days: int, inboxes: float, tablets: float, phones: float, seed: int
) -> Ties:
    """Draw the ties; rates are shares of people. Nobody has two, or one and a shared laptop."""
    rng = np.random.default_rng([seed, 11])
    count = people.count
    free = ~people.is_shared & people.slots[:, LAPTOP] & people.slots[:, PHONE]
    free = rng.permutation(np.flatnonzero(free & (people.cleared == NEVER)))
    with_account = free[people.had_account[free]]

    def groups(size: int, rate: float, among: np.ndarray, taken: np.ndarray) -> np.ndarray:
        among = among[~np.isin(among, taken)]
        wanted = min(round(count * rate / size), len(among) // size)
        return among[: wanted * size].reshape(wanted, size)

    partners = groups(2, inboxes, with_account, np.array([], dtype=int))
    families = groups(FAMILY, tablets, with_account, partners)
    sales = groups(2, phones, free, np.concatenate([partners.ravel(), families.ravel()]))

    inbox = np.arange(count)
    inbox[partners[:, 1]] = partners[:, 0]
    tablet = np.full(count, -1)
    # The tablet is the unused second laptop of the first member.
    tablet[families] = people.devices[families[:, 0], NEW_LAPTOP][:, None]
    bought_phone, bought_on, sold_on = (
        np.full(count, -1),
        np.full(count, NEVER),
        np.full(count, NEVER),
    )
    sellers, buyers = sales[:, 0], sales[:, 1]
    bought_phone[buyers] = people.devices[sellers, PHONE]
    bought_on[buyers] = sold_on[sellers] = rng.integers(days // 4, days // 2 + 1, len(sales))
    work = np.full(count, -1)
    at_work = np.concatenate([partners.ravel(), sales.ravel()])
    work[at_work] = people.devices[at_work, NEW_LAPTOP]
    signs_in = rng.random(count) < 0.5
    return Ties(inbox, tablet, bought_phone, bought_on, sold_on, work, signs_in)


def moved(visits: pd.DataFrame, ties: Ties, day: np.ndarray, seed: int) -> pd.DataFrame:
    """Move visits to shared, bought and work devices; sellers of a phone use their laptop.

    `day`: the day of each visit. Adds the columns `address` (the person whose email address is
    given) and `by_link` (whether the visit comes from the link in a newsletter, which names the
    address).
    """
    rng = np.random.default_rng([seed, 12])
    person = visits["person"].to_numpy()
    on_phone = visits["slot"].to_numpy() == PHONE
    on_tablet = on_phone & (ties.tablet[person] >= 0) & (rng.random(len(visits)) < _TABLET_VISITS)
    on_bought = on_phone & (day >= ties.bought_on[person])
    is_sold = on_phone & (day >= ties.sold_on[person])
    laptop = visits["device"] - PHONE + LAPTOP  # their own, which is not shared
    on_laptop = visits["slot"].to_numpy() == LAPTOP
    at_work = on_laptop & (ties.work[person] >= 0) & (rng.random(len(visits)) < _WORK_VISITS)
    device = np.select(
        [on_tablet, on_bought, is_sold, at_work],
        [ties.tablet[person], ties.bought_phone[person], laptop, ties.work[person]],
        visits["device"],
    )
    return visits.assign(
        slot=np.where(is_sold, LAPTOP, visits["slot"]),
        device=device,
        address=ties.inbox[person],
        by_link=at_work | (on_bought & ~ties.signs_in[person]),
    )
