"""A launcher of Dagster's runs that notices when the process of a run has ended.

Dagster's own launcher does not check: a run that was killed together with its server counts as
running, and blocks the writer's pool, until the maximum run time is over.
"""

from __future__ import annotations

import os
from pathlib import Path

from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus


class RunLauncher(DefaultRunLauncher):
    """Launches runs as processes of this machine, like Dagster's default launcher."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tell run monitoring that this launcher can check a run."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run is alive."""
        pid = self._process_of(run)
        if pid is None or is_alive(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} was killed or has crashed")

    def _process_of(self, run: DagsterRun) -> int | None:
        """The process id that a run reported at its start; None if it has not started yet."""
        reports = self._instance.event_log_storage.get_logs_for_run(
            run.run_id, of_type=DagsterEventType.ENGINE_EVENT
        )
        for report in reports:
            pid = report.get_dagster_event().engine_event_data.metadata.get("pid")
            if pid is not None:
                return int(str(pid.value))
        return None


def is_alive(pid: int) -> bool:
    """Whether a process with this id is running; a zombie is not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # owned by another user, or not on Linux
        return True
    return state != "Z"
