"""Events outside visits: emails, support tickets, subscriptions.

The shop's server sends them with the user id, so only people with an account have them.
"""

import numpy as np
import pandas as pd

from examples.shop import catalog
from examples.shop.clicks import KIND
from examples.shop.people import NEVER, Lives, People
from examples.shop.visits import DAY, HOUR, SIGNS_UP

PRIORITIES = ("low", "normal", "high", "urgent")
PLANS = (("plus", 9.99), ("premium", 14.99))
REASONS = ("too_expensive", "not_used", "bad_service")
CAMPAIGN_DAYS = (1, 4)  # days of the week on which the two campaigns are sent
TRIAL_DAYS = 14


def serve(people: People, lives: Lives, visits: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw the server's events: columns `person`, `kind`, `detail`, `occurred` (ms)."""
    rng = np.random.default_rng([seed, 6])
    parts = [_emails(people, lives, rng), _tickets(lives, rng), _subscriptions(people, lives, rng)]
    events = pd.concat(parts, ignore_index=True)
    account_since = np.where(people.had_account, 0, np.iinfo(np.int64).max)
    signs_up = visits[visits["known"] == SIGNS_UP]
    account_since[signs_up["person"]] = signs_up["start"] + HOUR
    return events[events["occurred"] >= account_since[events["person"]]].reset_index(drop=True)


def _frame(
    event: str, person: np.ndarray, occurred: np.ndarray, detail: np.ndarray | int
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "person": person,
            "kind": KIND[event],
            "detail": detail,
            "occurred": occurred.astype(np.int64),
        }
    )


def _emails(people: People, lives: Lives, rng: np.random.Generator) -> pd.DataFrame:
    days = lives.activity.shape[1]
    sent = np.array([d for d in range(days) if d % 7 in CAMPAIGN_DAYS], dtype=np.int64)
    open_rate = people.of("email_open")[:, None] * lives.activity[:, sent]
    opener, nth = np.nonzero(rng.random(open_rate.shape) < open_rate)
    # Sent at nine; two hours later half of the readers have opened it.
    opened = sent[nth] * DAY + 9 * HOUR + HOUR * 2 * rng.lognormal(0, 0.9, len(nth))
    clicks = rng.random(len(nth)) < people.of("email_click")[opener]
    clicked = opened[clicks] + 1000 * rng.uniform(5, 90, clicks.sum())
    campaign = nth % len(catalog.EMAIL_CAMPAIGNS)
    return pd.concat(
        [
            _frame("email_open", opener, opened, campaign),
            _frame("email_click", opener[clicks], clicked, campaign[clicks]),
        ]
    )


def _tickets(lives: Lives, rng: np.random.Generator) -> pd.DataFrame:
    per_cell = lives.tickets.ravel()
    cell = np.repeat(np.arange(len(per_cell)), per_cell)
    person, day = np.divmod(cell, lives.tickets.shape[1])
    occurred = day * DAY + HOUR * rng.uniform(8, 20, len(cell))
    # People who are leaving write more urgent tickets, none of them "low".
    leaving = day >= lives.decided[person]
    priority = rng.choice(len(PRIORITIES), len(cell), p=[0.25, 0.45, 0.2, 0.1])
    priority = np.where(leaving, np.maximum(priority, 1), priority)
    return _frame(
        "support_ticket", person, occurred, np.arange(len(cell)) * len(PRIORITIES) + priority
    )


def _subscriptions(people: People, lives: Lives, rng: np.random.Generator) -> pd.DataFrame:
    days = lives.activity.shape[1]
    # Half of the subscribers began before the first day, the others during the data.
    subscribes = rng.random(people.count) < people.of("subscribes")
    begins = np.where(
        people.joined >= 0, people.joined + 1, rng.integers(-days, days, people.count)
    )
    plan = rng.integers(0, len(PLANS), people.count)
    clock = HOUR * rng.uniform(8, 22, people.count)

    def at(event: str, who: np.ndarray, day: np.ndarray, detail: np.ndarray) -> pd.DataFrame:
        who = who & (day >= 0) & (day < np.minimum(lives.left, days))
        person = np.flatnonzero(who)
        return _frame(event, person, day[who] * DAY + clock[who], detail[who])

    stays = rng.random(people.count) < 0.7
    # People who decide to leave cancel within a week, four out of five times.
    cancels = subscribes & stays & (rng.random(people.count) < 0.8) & (lives.decided != NEVER)
    cancels &= lives.decided > begins + TRIAL_DAYS
    reason = rng.integers(0, len(REASONS), people.count)
    return pd.concat(
        [
            at("trial_start", subscribes, begins, plan),
            at("subscription_start", subscribes & stays, begins + TRIAL_DAYS, plan),
            at(
                "subscription_cancel",
                cancels,
                lives.decided + rng.integers(0, 7, people.count),
                reason,
            ),
        ]
    )
