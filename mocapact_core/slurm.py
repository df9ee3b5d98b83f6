"""Snakemake's executor for SLURM, as its plugin has it, with an eye for what happens on clusters.

The plugin (2.8.0) gives up on all jobs when SLURM does not answer five times, and the workflow then waits for ever; it
waits for ever, too, for jobs that were preempted or that SLURM has forgotten. It guesses accounts and partitions from
services that may be away, and over what SBATCH_ACCOUNT and SBATCH_PARTITION say. Here all of that is decided otherwise.
"""

import os
import shlex
import subprocess
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

from snakemake_executor_plugin_slurm import Executor
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from mocapact_core.settings import ClusterSettings

ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
"""States in which a job has ended. In all others it waits or runs."""
NEVER = {
    "AssocMaxWallDurationPerJobLimit",
    "BadConstraints",
    "JobHeldAdmin",
    "JobHeldUser",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "QOSMaxWallDurationPerJobLimit",
}
"""Reasons for which a job waits until somebody does something about it."""
PATIENCE = 3
"""So many answers must lack a job before it counts as forgotten."""


def replace_executor(cluster: ClusterSettings) -> None:
    """Let Snakemake use this executor where it is told to use `slurm`."""
    PatientExecutor.cluster = cluster
    ExecutorPluginRegistry().get_plugin("slurm").executor = PatientExecutor


def ask() -> tuple[dict[str, tuple[str, str]] | None, str]:
    """State and reason of each job of this user that SLURM knows, by id; or None, and why there is no answer."""
    command = ["squeue", f"--user={os.getuid()}", "--states=all", "--noheader", "--format=%i|%T|%r"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return None, "squeue takes more than two minutes"
    if answer.returncode:
        return None, answer.stderr.strip()
    rows = [line.split("|", 2) for line in answer.stdout.splitlines()]
    return {job: (state, reason) for job, state, reason in rows}, ""


def accounted(job: str) -> str | None:
    """The state of a job that accounting knows, where there is accounting: its memory is longer than squeue's."""
    command = ["sacct", "--allocations", "--noheader", "--parsable2", "--format=State", f"--jobs={job}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.split()  # CANCELLED by 1000
    return words[0] if words and not answer.returncode else None


class PatientExecutor(Executor):
    """The plugin's executor, which waits while SLURM is away and knows how every job ends."""

    cluster = ClusterSettings()

    def __post_init__(self, test_mode: bool = False) -> None:
        self._ending = threading.Event()
        self._answered = True
        self._misses: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        super().__post_init__(test_mode)

    def run_job(self, job: Any) -> None:
        """Submit a job once SLURM answers: else its attempts would be used up within seconds."""
        while self._ask() is None:
            if self._ending.wait(self._interval):
                return
        super().run_job(job)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        """Report the jobs that have ended, yield the others."""
        answer = self._ask() if active_jobs else {}
        for job in active_jobs:
            if answer is None:
                yield job
                continue
            state, reason = answer.get(job.external_jobid) or self._missed(job)
            if state == "COMPLETED":
                self.report_job_success(job)
                self._tidy(job)
            elif state in ENDED:
                message = f"SLURM job {job.external_jobid} ended with {state} ({reason}). "
                self.report_job_error(job, msg=message, aux_logs=[str(job.aux["slurm_logfile"])])
            else:
                self._tell_if_stuck(job, reason)
                yield job

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """End the jobs; those that wait for SLURM to come back are not submitted any more."""
        self._ending.set()
        super().cancel_jobs(active_jobs)

    def shutdown(self) -> None:
        """End the executor."""
        self._ending.set()
        super().shutdown()

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The account that is asked for; without one, SBATCH_ACCOUNT or SLURM decides."""
        account = job.resources.get("slurm_account") or self.cluster.account
        yield f" -A {shlex.quote(str(account))}" if account else ""

    def get_partition_arg(self, job: Any) -> str:
        """The partition that is asked for; without one, SBATCH_PARTITION or SLURM decides."""
        if job.resources.get("slurm_partition") or self._partitions:
            return super().get_partition_arg(job)
        on_gpu = job.resources.get("gres") or job.resources.get("gpu")
        partition = (on_gpu and self.cluster.gpu_partition) or self.cluster.partition
        return f" -p {shlex.quote(partition)}" if partition else ""

    @property
    def _interval(self) -> float:
        return self.workflow.remote_execution_settings.seconds_between_status_checks

    def _ask(self) -> dict[str, tuple[str, str]] | None:
        answer, problem = ask()
        if (answer is not None) != self._answered:
            self._answered = answer is not None
            said = (
                "SLURM answers again." if self._answered else f"Waiting: SLURM does not answer ({problem})."
            )
            self.logger.warning(said)
        return answer

    def _missed(self, job: SubmittedJobInfo) -> tuple[str, str]:
        """The state of a job that squeue does not list: for a while as if it ran, then what accounting says."""
        self._misses[job.external_jobid] += 1
        if self._misses[job.external_jobid] < PATIENCE:
            return "UNKNOWN", ""
        state = accounted(job.external_jobid)
        # Done again, it loses little: trainings go on from their checkpoints, and give back what they had ended with.
        return (state, "as accounted") if state in ENDED else ("FAILED", "SLURM has forgotten it")

    def _tell_if_stuck(self, job: SubmittedJobInfo, reason: str) -> None:
        if reason in NEVER and self._reasons.get(job.external_jobid) != reason:
            self._reasons[job.external_jobid] = reason
            self.logger.warning(
                f"Job {job.external_jobid} ({job.job.name}) waits until somebody helps: {reason}. "
                f"See scontrol show job {job.external_jobid}."
            )

    def _tidy(self, job: SubmittedJobInfo) -> None:
        if not self.workflow.executor_settings.keep_successful_logs:
            job.aux["slurm_logfile"].unlink(missing_ok=True)
