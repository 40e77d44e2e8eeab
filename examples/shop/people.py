"""People, their devices, and their lives day by day until they leave."""

from dataclasses import dataclass

import numpy as np

from examples.shop.archetypes import ARCHETYPES

LAPTOP, PHONE, APP, NEW_LAPTOP = range(4)  # NEW_LAPTOP: the laptop after its cookies were cleared
SLOTS = 4
NEVER = 1 << 30

_FIRST_NAMES = (
    "Mia", "Noah", "Zoë", "Liam", "Aiko", "Omar", "Lucía", "Jonas", "Priya", "Søren", "Chloe",
    "Mateus", "Ines", "Kofi", "Hana", "Peter", "Nadia", "Tomás", "Ruth", "Yusuf",
)  # fmt: skip
_LAST_NAMES = (
    "Ito", "Müller", "Okafor", "Silva", "Novak", "Larsen", "Patel", "O'Brien", "Garcia", "Chen",
    "Rossi", "Dubois", "Kim", "Haddad", "Fischer", "Nowak", "Jensen", "Mbeki", "Santos", "Ward",
)  # fmt: skip
_WEEKDAYS = np.array([0.9, 0.92, 0.95, 0.98, 1.0, 1.15, 1.1])


@dataclass(frozen=True)
class People:
    """Arrays with one entry per person; days are counted from the first day of the business."""

    archetype: np.ndarray
    joined: np.ndarray  # day; negative for people who joined before the first day
    had_account: np.ndarray
    slots: np.ndarray  # [people, SLOTS]: whether the person has such a device
    devices: np.ndarray  # [people, SLOTS]: index of the device
    is_shared: np.ndarray  # whether the laptop is shared with another person
    cleared: np.ndarray  # day on which the laptop's cookies are cleared, or NEVER
    adopted: np.ndarray  # [people, features]

    @property
    def count(self) -> int:
        """Number of people."""
        return len(self.archetype)

    def of(self, trait: str) -> np.ndarray:
        """The value of a field of each person's archetype."""
        return np.array([getattr(a, trait) for a in ARCHETYPES])[self.archetype]


@dataclass(frozen=True)
class Lives:
    """The activity of people per day [people, days], and when they left."""

    visits: np.ndarray
    tickets: np.ndarray
    activity: np.ndarray  # 0: away, 1: as usual, between: losing interest
    decided: np.ndarray  # [people] day of the decision to leave, or NEVER
    left: np.ndarray  # [people] first day without the person, or NEVER


def varied(rng: np.random.Generator, mean: np.ndarray, shape: float = 10) -> np.ndarray:
    """Personal rates around `mean`: gamma with a coefficient of variation of shape ** -0.5."""
    return mean * rng.gamma(shape, 1 / shape, len(mean))


def populate(count: int, days: int, shared: float, seed: int) -> People:
    """Draw `count` people; a share `shared` of them shares a laptop with another person."""
    rng = np.random.default_rng([seed, 1])
    shares = np.array([a.share for a in ARCHETYPES])
    # An even split by share, shuffled, so that even a small business has all archetypes.
    quantiles = (rng.permutation(count) + 0.5) / count
    archetype = np.searchsorted(np.cumsum(shares / shares.sum()), quantiles)
    archetype = np.minimum(archetype, len(ARCHETYPES) - 1)
    is_new = rng.random(count) < 0.3
    joined = np.where(is_new, rng.integers(0, days, count), -1)

    def of(trait: str) -> np.ndarray:
        return np.array([getattr(a, trait) for a in ARCHETYPES])[archetype]

    had_account = ~is_new & (rng.random(count) < of("account"))
    slots = np.zeros((count, SLOTS), dtype=bool)
    slots[:, PHONE] = rng.random(count) < 0.65
    slots[:, APP] = rng.random(count) < of("has_app")
    slots[:, LAPTOP] = (rng.random(count) < 0.8) | ~slots[:, PHONE]
    clears = slots[:, LAPTOP] & (rng.random(count) < 0.12)
    cleared = np.where(clears, rng.integers(0, days, count), NEVER)
    adopted = rng.random((count, 10)) < of("adoption")[:, None]
    adopted[np.arange(count), rng.integers(0, 10, count)] = True

    devices = np.arange(count * SLOTS).reshape(count, SLOTS)
    is_shared = np.zeros(count, dtype=bool)
    sharers = np.random.default_rng([seed, 2]).permutation(
        np.flatnonzero(had_account & slots[:, LAPTOP] & ~clears)
    )
    pairs = min(round(count * shared / 2), len(sharers) // 2)
    owners, guests = sharers[:pairs], sharers[pairs : 2 * pairs]
    devices[guests, LAPTOP] = devices[owners, LAPTOP]
    is_shared[owners] = is_shared[guests] = True
    return People(archetype, joined, had_account, slots, devices, is_shared, cleared, adopted)


def live(people: People, days: int, seed: int) -> Lives:
    """Simulate visits, tickets, frustration, the decision to leave, and leaving, day by day.

    People who decide to leave first lose interest over one to two weeks. More tickets than usual
    for the person make the decision likelier; an occasional incident causes several tickets.
    """
    rng = np.random.default_rng([seed, 3])
    count = people.count
    visit_rate = varied(rng, people.of("visits_per_week") / 7)
    ticket_rate = varied(rng, people.of("tickets_per_month") / 30, shape=5)
    base_hazard = people.of("leaves")
    memory = 0.92  # of yesterday's frustration
    patience = people.of("tickets_per_month") / 30 / (1 - memory) + 1.0
    frustration = np.zeros(count)
    decided = np.full(count, NEVER)
    left = np.full(count, NEVER)
    visits = np.zeros((count, days), dtype=np.int8)
    tickets = np.zeros((count, days), dtype=np.int8)
    activity = np.zeros((count, days), dtype=np.float32)
    for day in range(days):
        here = (people.joined <= day) & (day < left)
        fading = np.clip((day - decided) / np.maximum(left - decided, 1), 0, 1)
        activity[:, day] = here * (1 - 0.85 * fading)
        goes_wrong = here & (rng.random(count) < 0.005)
        complaints = goes_wrong * (1 + rng.poisson(1.0, count))
        tickets[:, day] = np.minimum(rng.poisson(ticket_rate * here) + complaints, 4)
        visits[:, day] = np.minimum(
            rng.poisson(visit_rate * activity[:, day] * _WEEKDAYS[day % 7]), 3
        )
        frustration = memory * frustration + tickets[:, day]
        hazard = base_hazard + 0.12 * np.maximum(frustration - patience, 0)
        decides = here & (decided == NEVER) & (rng.random(count) < hazard)
        decided[decides] = day
        left[decides] = day + rng.integers(6, 15, decides.sum())
    return Lives(visits, tickets, activity, decided, left)


def user_id(person: int) -> str:
    """The account of a person; scattered, so that it does not reveal the person's number."""
    return f"u{100000 + person * 7919 % 899981 + 899981 * (person // 899981)}"


def name(person: int) -> str:
    """First and last name."""
    return f"{_FIRST_NAMES[person % 20]} {_LAST_NAMES[person // 20 % 20]}"


def email(person: int) -> str:
    """The unique email address of a person."""
    return f"customer.{person * 7919 % 899981 + 899981 * (person // 899981)}@example.com"
