"""Jobs that outlived the Snakemake which had started them, in SLURM's queue and on this machine."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable

import psutil

from mocapact_core.interruption import PARENT, is_alive

SECONDS_BETWEEN_LOOKS = 5
# The executor for SLURM names all jobs of a run by a uuid, perhaps after a prefix.
_JOB_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def wait_for_earlier_jobs(tell: Callable[[str], None], on_cluster: bool) -> None:
    """Return when no job that was started in the working directory before runs, or waits in the queue.

    Args:
        tell: called with what is waited for, whenever that changes.
        on_cluster: whether jobs are going to be submitted. Then SLURM's answer is waited for as well.
    """
    told = ""
    while text := "\n".join([*_about_queue(on_cluster), *_about_processes()]):
        if text != told:
            tell(text)
            told = text
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _about_queue(on_cluster: bool) -> list[str]:
    try:
        jobs = queued()
    except OSError as error:
        return [f"Waiting: SLURM does not tell whether jobs of an earlier run go on ({error})."] * on_cluster
    if not jobs:
        return []
    return [
        f"Waiting for {len(jobs)} SLURM jobs of an earlier run, to use what they make: {' '.join(jobs)}. To go on at "
        "once, cancel them (scancel); trainings keep their state."
    ]


def _about_processes() -> list[str]:
    pids = orphans()
    return [f"Waiting for processes of an earlier run to end: {' '.join(map(str, pids))}."] if pids else []


def queued() -> list[str]:
    """The ids of this user's SLURM jobs that Snakemake has submitted from the working directory.

    Raises:
        OSError: SLURM does not answer.
    """
    if not shutil.which("squeue"):
        return []
    command = ["squeue", f"--user={os.getuid()}", "--noheader", "--format=%i|%j|%Z"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise OSError("squeue takes more than two minutes") from None
    if answer.returncode:
        raise OSError(answer.stderr.strip())
    rows = [line.split("|", 2) for line in answer.stdout.splitlines()]
    here = os.path.realpath(".")
    return [job for job, name, folder in rows if _JOB_NAME.search(name) and os.path.realpath(folder) == here]


def orphans() -> list[int]:
    """The processes on this machine whose job was started in the working directory by a Snakemake that is dead."""
    here, found = os.path.realpath("."), []
    for process in psutil.process_iter():
        try:
            parent = int(process.environ().get(PARENT, 0))
            if parent and process.pid != os.getpid() and process.cwd() == here and not is_alive(parent):
                found.append(process.pid)
        except (psutil.Error, OSError, ValueError):  # of another user, or gone
            continue
    return found
