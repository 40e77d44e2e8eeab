"""Jobs: Zendesk changes many users later, and tells the result of each when it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tideline.activation.destinations.api import Api, NotDoneError
from tideline.activation.destinations.protocol import Outcome
from tideline.activation.destinations.zendesk.account import content_of, in_words

PAUSES = (0.5, 1, 1, 2, 2, 3, 5, 5, 10, 10, 10, 10)  # seconds before each question, a minute in all
DONE = ("completed", "failed", "killed")


class Jobs:
    """The jobs of one run. A new one begins only when the earlier ones have ended."""

    def __init__(self, api: Api) -> None:
        """`api` is that of the account."""
        self._api = api
        self._open: list[str] = []

    def update(self, users: Mapping[int, Mapping[str, Any]]) -> dict[int, Outcome]:
        """Change users, by id; return the outcome of each."""
        self._end_earlier()
        rows = [{"id": user} | dict(values) for user, values in users.items()]
        reply = self._api.call("PUT", "/api/v2/users/update_many.json", {"users": rows})
        job = content_of(reply).get("job_status")
        if not isinstance(job, dict) or not isinstance(job.get("id"), str):
            raise NotDoneError(Outcome("unknown", "Zendesk answered without a job"))
        self._open.append(job["id"])
        return outcomes_of(self._wait(job["id"], job), list(users))

    def _end_earlier(self) -> None:
        """Wait for jobs whose end is not known, so that no older change overtakes a newer one."""
        for name in list(self._open):
            try:
                self._wait(name, {})
            except NotDoneError as error:
                reason = f"an earlier job has not ended ({error.outcome.reason})"
                raise NotDoneError(Outcome("busy", reason, error.outcome.retry_after)) from None

    def _wait(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        """The job when it has ended. Raises NotDoneError, of unknown outcome, if it does not."""
        for pause in PAUSES:
            if job.get("status") in DONE:
                self._open.remove(name)
                return job
            self._api.pause(pause)
            try:
                reply = self._api.call("GET", f"/api/v2/job_statuses/{name}.json", only_reads=True)
            except NotDoneError as error:
                told = error.outcome
                reason = f"the job of Zendesk cannot be read: {told.reason}"
                is_stopped = told.fate == "held" or told.needs_person
                outcome = Outcome("unknown", reason, told.retry_after, needs_person=is_stopped)
                raise NotDoneError(outcome) from None
            told_job = content_of(reply).get("job_status")
            job = told_job if isinstance(told_job, dict) and told_job.get("id") == name else {}
        raise NotDoneError(Outcome("unknown", "the job of Zendesk has not ended within a minute"))


def outcomes_of(job: Mapping[str, Any], users: Sequence[int]) -> dict[int, Outcome]:
    """The outcome of each user of a job that has ended.

    A result names its user by `id`, or by `index`, the position in the request. If a failure names
    nobody, the users without a result are sent again in smaller jobs until it is known whose it is.
    """
    results = job.get("results")
    if job.get("status") != "completed" or not isinstance(results, list):
        reason = f"the job of Zendesk ended as {job.get('status')}, without results"
        return dict.fromkeys(users, Outcome("unknown", reason))
    told: dict[int, Outcome] = {}
    rest = Outcome("unknown", "Zendesk gave no result of this user")
    for each in results:
        result = each if isinstance(each, dict) else {}
        outcome, user = _outcome(result), _user_of(result, users)
        if user is not None and (user not in told or told[user].fate == "accepted"):
            told[user] = outcome  # of two results of one user, a failure counts
        elif outcome.fate == "rejected":
            rest = Outcome("refused", outcome.reason)
    return {each: told.get(each, rest) for each in users}


def _user_of(result: Mapping[str, Any], users: Sequence[int]) -> int | None:
    if result.get("id") in users:
        return result["id"]
    index = result.get("index")
    if type(index) is int and 0 <= index < len(users) and "id" not in result:
        return users[index]
    return None


def _outcome(result: Mapping[str, Any]) -> Outcome:
    is_failure = bool(result.get("error")) or result.get("status") == "Failed"
    if is_failure or result.get("success") is False:
        return Outcome("rejected", in_words(result))
    if result.get("success") is True or result.get("status") == "Updated":
        return Outcome("accepted")
    return Outcome("unknown", "Zendesk gave a result without success or failure")
