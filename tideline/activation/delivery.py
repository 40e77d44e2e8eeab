"""Delivers one batch: attempts, waits, and smaller requests if a row is refused."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tideline.activation.destinations import Operation, Outcome
from tideline.activation.destinations.protocol import Fate

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0  # seconds before the second attempt; doubled for each later one
# Seconds. The warehouse is locked while a run waits, so a destination that asks for more ends it.
LONGEST_WAIT = 60.0
MOST_PACED = 8  # times in a row that a destination may ask for a slower pace

Send = Callable[[Sequence[Operation]], list[Outcome]]


@dataclass
class Pace:
    """The waits: between requests (rows per second) and before attempts (backoff with jitter)."""

    rows_per_second: float | None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    _free_at: float = field(default=0.0, init=False)

    def wait_for(self, rows: int) -> None:
        """Wait until `rows` more may be sent."""
        if self.rows_per_second is None:
            return
        if (early := self._free_at - self.now()) > 0:
            self.sleep(early)
        self._free_at = max(self._free_at, self.now()) + rows / self.rows_per_second

    def back_off(self, attempt: int, retry_after: float) -> None:
        """Wait after failed attempt number `attempt`, at least `retry_after` seconds."""
        backoff = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * (0.5 + self.jitter() / 2)
        self.sleep(max(backoff, retry_after))


@dataclass
class Delivery:
    """The outcomes of a batch, by position: accepted, rejected, held or unknown."""

    outcomes: list[Outcome]
    in_doubt: list[bool]  # whether an attempt with an unknown outcome may have been applied
    attempts: int = 0  # of the row sent most often
    reason: str = ""  # of the answer that stopped the batch, else of the first undelivered row
    needs_person: bool = False  # whether nothing may be sent until a person has acted
    resume_after: float = 0.0  # seconds that the destination asks to wait, if too long for this run

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more may be sent in this run."""
        return self.needs_person or self.resume_after > 0


def deliver(
    batch: Sequence[Operation],
    send: Send,
    pace: Pace,
    max_attempts: int,
    resent: bool = False,
) -> Delivery:
    """Send a batch; send undelivered rows again until all are delivered or attempts run out.

    A destination that only asks for a slower pace costs no attempt.

    Rows that are still `busy` at the end were certainly not applied and are held. If an earlier
    attempt (or, with `resent`, an earlier run) may have been applied, their outcome is unknown.
    """
    done = Delivery([Outcome("held", "not sent")] * len(batch), [resent] * len(batch))
    _Sender(batch, send, pace, max_attempts, done).bring(range(len(batch)), 0)
    for index, outcome in enumerate(done.outcomes):
        if outcome.fate not in ("accepted", "rejected"):
            fate: Fate = "unknown" if done.in_doubt[index] else "held"
            done.outcomes[index] = Outcome(fate, outcome.reason)
            done.reason = done.reason or outcome.reason
    return done


@dataclass(frozen=True)
class _Sender:
    """Sends the requests of one batch at the given pace."""

    batch: Sequence[Operation]
    send: Send
    pace: Pace
    max_attempts: int
    done: Delivery

    def bring(self, positions: Sequence[int], sent: int) -> None:
        """Send these rows, which were sent `sent` times before, until they are delivered."""
        attempt = paced = 0
        while True:
            self.pace.wait_for(len(positions))
            answers = self.send([self.batch[index] for index in positions])
            waiting = [each for each in answers if each.fate in ("busy", "unknown")]
            is_paced = bool(waiting) and all(each.is_paced for each in waiting)
            attempt, paced = (attempt, paced + 1) if is_paced else (attempt + 1, 0)
            self.done.attempts = max(self.done.attempts, sent + attempt)
            self._note(positions, answers)
            if self.done.is_stopped:
                return
            self._split(self._with_fate(positions, "refused"), sent + attempt)
            positions = self._with_fate(positions, "busy", "unknown")
            if self.done.is_stopped or not positions:
                return
            retry_after = self._heed(positions)
            if self.done.is_stopped or attempt == self.max_attempts or paced == MOST_PACED:
                return
            reason = self.done.outcomes[positions[0]].reason
            log.info("%d rows not through at attempt %d: %s", len(positions), attempt, reason)
            self.pace.back_off(paced or attempt, retry_after)

    def _note(self, positions: Sequence[int], answers: Sequence[Outcome]) -> None:
        done = self.done
        for index, answer in zip(positions, answers, strict=True):
            done.outcomes[index] = answer
            done.in_doubt[index] |= answer.fate == "unknown"
            if answer.fate == "held" or answer.needs_person:
                done.needs_person, done.reason = True, answer.reason

    def _with_fate(self, positions: Sequence[int], *fates: str) -> list[int]:
        return [index for index in positions if self.done.outcomes[index].fate in fates]

    def _split(self, refused: Sequence[int], sent: int) -> None:
        """Send refused rows again in two halves; a row refused alone is rejected."""
        if len(refused) == 1:
            reason = self.done.outcomes[refused[0]].reason
            self.done.outcomes[refused[0]] = Outcome("rejected", reason)
            return
        middle = len(refused) // 2
        for half in (refused[:middle], refused[middle:]):
            if half and not self.done.is_stopped:
                self.bring(half, sent)

    def _heed(self, positions: Sequence[int]) -> float:
        """The seconds that the destination asks to wait; if they are too many, stop the run."""
        outcomes = [self.done.outcomes[index] for index in positions]
        asked = max(outcomes, key=lambda outcome: outcome.retry_after or 0.0)
        retry_after = asked.retry_after or 0.0
        if retry_after > LONGEST_WAIT:
            self.done.resume_after, self.done.reason = retry_after, asked.reason
        return retry_after
