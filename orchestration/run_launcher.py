"""The launcher of Dagster's runs, which knows when the process of a run is gone.

Dagster's own does not look: a run that was killed with its server counts as running, and holds its
place in the writer's pool, until the longest run time is over.
"""

from __future__ import annotations

import os
from pathlib import Path

from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus


class RunLauncher(DefaultRunLauncher):
    """Launches runs as Dagster does, as processes of this machine."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run is alive."""
        pid = self._process_of(run)
        if pid is None or is_alive(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} was killed or has crashed")

    def _process_of(self, run: DagsterRun) -> int | None:
        """The process id that a run has reported when it began."""
        reports = self._instance.event_log_storage.get_logs_for_run(
            run.run_id, of_type=DagsterEventType.ENGINE_EVENT
        )
        for report in reports:
            pid = report.get_dagster_event().engine_event_data.metadata.get("pid")
            if pid is not None:
                return int(str(pid.value))
        return None


def is_alive(pid: int) -> bool:
    """Whether there is a process of this id, which is not merely waiting to be collected."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or no Linux
        return True
    return state != "Z"
