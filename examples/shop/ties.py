"""Beside a laptop people have in common: an inbox, a family's tablet, a phone that was sold."""

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

FAMILY = 3  # people with one tablet
_TABLET_VISITS = 0.4  # of those that would be on the phone
_WORK_VISITS = 0.2  # of those that would be on the laptop


@dataclass(frozen=True)
class Ties:
    """Arrays with one entry per person."""

    inbox: np.ndarray  # the person whose address they give
    tablet: np.ndarray  # the family's tablet, a device, or -1
    bought_phone: np.ndarray  # the phone they buy of somebody who stays signed in, or -1
    bought_on: np.ndarray  # day, or NEVER
    sold_on: np.ndarray  # day on which they sell their phone, or NEVER
    work: np.ndarray  # a computer at work, where they read the newsletter and never sign in, or -1
    signs_in: np.ndarray  # whether they sign in on a phone that they bought


def tie(
    people: People, days: int, inboxes: float, tablets: float, phones: float, seed: int
) -> Ties:
    """Draw the ties; the rates are shares of people. Nobody has two of them, or a shared laptop."""
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
    # The first one's second laptop, which nobody else has.
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
    """The visits on the devices that they are made on; whoever sold the phone uses the laptop.

    `day` is that of each visit. Adds the columns `address`, the person whose address is given, and
    `by_link`, whether they come from a newsletter, whose link names the address.
    """
    rng = np.random.default_rng([seed, 12])
    person = visits["person"].to_numpy()
    on_phone = visits["slot"].to_numpy() == PHONE
    on_tablet = on_phone & (ties.tablet[person] >= 0) & (rng.random(len(visits)) < _TABLET_VISITS)
    on_bought = on_phone & (day >= ties.bought_on[person])
    is_sold = on_phone & (day >= ties.sold_on[person])
    laptop = visits["device"] - PHONE + LAPTOP  # their own: it is not a shared one
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
