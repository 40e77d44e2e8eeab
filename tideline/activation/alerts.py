"""Alerts: a message to a chat when the state of a sync has changed.

A state is a set of words: `failed`, `held` or `rejected` (the status of the last run), `rejections`
(more of the rows are rejected than declared) and `stale` (no success for longer than declared). It
is kept in `activation_alerts` once its message is posted, so there is one alert per change, and one
that could not be posted is tried again by the next run. A message has names and numbers, and no
text of a destination.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta

from tideline.activation.destinations.answers import problem_of_address
from tideline.activation.destinations.exchange import Client, NoAnswerError
from tideline.activation.ledger import FATES, Run
from tideline.declarations.syncs import Sync
from tideline.warehouse.clock import wall_clock
from tideline.warehouse.connection import Warehouse

log = logging.getLogger(__name__)

RUNS, ALERTS = "activation_runs", "activation_alerts"
URL_ENV = "TIDELINE_ALERTS_URL"
TIMEOUT_SECONDS = 10.0
ANSWER_BYTES = 10_000  # of which nothing is read but the status
FAILURES = ("failed", "held", "rejected")


def alert(
    sync: Sync, warehouse: Warehouse, environment: Mapping[str, str], run: Run | None = None
) -> None:
    """Post a message if the state of a sync has changed; without `run`, look only for staleness.

    Does nothing without TIDELINE_ALERTS_URL, after a run that was skipped, or before the first run.
    Never raises: an alert that fails is logged, without the address.
    """
    url = environment.get(URL_ENV)
    if not url or (run and run.status == "skipped"):
        return
    try:
        _alert(sync, warehouse, url, run)
    except Exception as error:  # the text may quote the address
        log.warning("sync %s: no alert, because of a %s", sync.name, type(error).__name__)


def _alert(sync: Sync, warehouse: Warehouse, url: str, run: Run | None) -> None:
    if not all(warehouse.exists(warehouse.schema, name) for name in (RUNS, ALERTS)):
        return
    table = warehouse.table(ALERTS)
    rows = warehouse.query(f"select state from {table} where sync_name = ?", [sync.name])
    before = {word for (state,) in rows for word in state.split(", ") if word}
    found, judged = _judge(sync, warehouse, run)
    state = found | (before - judged)
    if state == before:
        return
    if problem := _post(url, _text(sync, state, run)):
        log.warning("sync %s: no alert: %s %s", sync.name, URL_ENV, problem)
        return
    with warehouse.transaction():
        warehouse.execute(f"delete from {table} where sync_name = ?", [sync.name])
        warehouse.execute(
            f"insert into {table} (sync_name, state, changed_at) select ?, ?, cast(? as timestamp)",
            [sync.name, ", ".join(sorted(state)), wall_clock().isoformat()],
        )


def _judge(sync: Sync, warehouse: Warehouse, run: Run | None) -> tuple[set[str], set[str]]:
    """The words that hold now, and all words that could be judged."""
    found, judged = set(), {"stale"}
    if _is_stale(sync, warehouse):
        found.add("stale")
    if run:
        judged.update(FAILURES)
        found.update({run.status} & set(FAILURES))
        if run.status == "succeeded" and run.waiting and not run.accepted:
            judged.discard("rejected")  # the refused rows wait, so nothing has recovered
        share, refused = sync.settings.alert_rejected_share, run.rejected + run.waiting
        if share is None or run.desired_rows is not None:  # else the run came to no plan
            judged.add("rejections")
            if share is not None and refused > share * max(run.desired_rows or 0, refused):
                found.add("rejections")
    return found, judged


def _is_stale(sync: Sync, warehouse: Warehouse) -> bool:
    """Whether the last success, or else the first run, is longer ago than declared.

    A success is a run that has looked at all rows, not a replay or the removal of one person.
    """
    if sync.settings.alert_stale_hours is None:
        return False
    (since,) = warehouse.query(
        "select coalesce(max(case when status = 'succeeded' and desired_rows is not null "
        f"then started_at end), min(started_at)) from {warehouse.table(RUNS)} where sync_name = ?",
        [sync.name],
    )[0]
    return since is not None and wall_clock() - since > timedelta(
        hours=sync.settings.alert_stale_hours
    )


def _text(sync: Sync, state: set[str], run: Run | None) -> str:
    settings = sync.settings
    says = {
        "failed": "the last run has failed",
        "held": "the last run waits until a person has decided",
        "rejected": "the destination has rejected all rows of the last run",
        "rejections": f"more than {settings.alert_rejected_share or 0:.1%} of the rows are "
        "rejected",
        "stale": f"no run has succeeded for more than {settings.alert_stale_hours or 0:g} hours",
    }
    what = "; ".join(says[word] for word in sorted(state)) or "has recovered"
    counts = ""
    if run:
        parts = ", ".join(f"{fate} {getattr(run, fate):,}" for fate in ("planned", *FATES))
        counts = f" ({parts}, waiting {run.waiting + run.limited:,})"
    return f"Tideline, sync `{sync.name}`: {what}{counts}. `activation_runs` has the message."


def _post(url: str, text: str) -> str:
    """Post a text as Slack's incoming webhooks take it; returns why it failed, or nothing."""
    if problem := problem_of_address(url):
        return problem
    body = json.dumps({"text": text}).encode()
    try:
        answer = Client(url, None, TIMEOUT_SECONDS).post(
            body, {"Content-Type": "application/json"}, ANSWER_BYTES
        )
    except NoAnswerError as error:
        return str(error)
    return "" if 200 <= answer.status < 300 else f"answered with HTTP {answer.status}"
