"""Snakemake started again after it was killed: no job runs twice at the same time, and none is forgotten.

What Snakemake 9.27 leaves to its users is done here, where it opens its records, before it plans:

- Jobs on a cluster outlive it. It would submit them again beside those that run: they are waited for, and what they
  have made is used. (Jobs on this machine end with it, see `interruption.end_with`.)
- It records what a job was made with when that ends. Of one that ends while it is dead it would know nothing, and not
  rerun it when its settings or code change: jobs on a cluster are recorded when they are submitted as well.
- Its lock stays: that of one which is certainly dead is taken away.
"""

import asyncio
import contextlib
import copy
import fcntl
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import ExecMode

from mocapact_core.earlier_jobs import wait_for_earlier_jobs

RUNNING = "running"
"""Folder in .snakemake: each Snakemake that works here has a file there, PID@MACHINE, locked as long as it lives."""


class Restartable:
    """Snakemake's persistence, for a run that may follow one that was killed."""

    dag: Any
    path: Path
    locked: bool

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        workflow = self.dag.workflow
        if not _is_main(workflow) or workflow.dryrun:
            return
        refuse_what_loses_outputs(workflow)
        if not running(self.path / RUNNING, "alive"):
            wait_for_earlier_jobs(logger.info, on_cluster=workflow.non_local_exec)

    def started(self, job: Any, external_jobid: str | None = None) -> None:
        super().started(job, external_jobid)  # type: ignore[misc]
        if _is_main(self.dag.workflow) and self.dag.workflow.non_local_exec:
            recorder: Any = copy.copy(self)
            recorder._unmark_incomplete = lambda key: None
            # In a thread of its own, as this may be called within a loop of asyncio.
            thread = threading.Thread(target=asyncio.run, args=(recorder.finished(job),))
            thread.start()
            thread.join()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        folder = self.path / RUNNING
        if self.locked:
            others = running(folder, "alive") + running(folder, "elsewhere")
            if others:
                raise WorkflowError(
                    f"Snakemake already works on these files: process {', '.join(others)}. Wait for it or stop it "
                    "there. If it is certain to be dead, type snakemake --unlock, and start again."
                )
            if dead := running(folder, "dead"):
                logger.info(f"The lock of Snakemake {', '.join(dead)}, which is dead, is taken away.")
                self.cleanup_locks()
                (self.path / "locks").mkdir(exist_ok=True)  # Snakemake, too, needs the folder again
        with super().lock(), _known_as_running(folder):  # type: ignore[misc]
            yield

    def cleanup_locks(self) -> None:
        super().cleanup_locks()  # type: ignore[misc]
        shutil.rmtree(self.path / RUNNING, ignore_errors=True)


def replace_persistence() -> None:
    """Let Snakemake keep its records this way."""
    import snakemake.workflow  # not above: it cannot be the first module of Snakemake

    for name in ("FilePersistence", "DbPersistence"):
        persistence = getattr(snakemake.workflow, name)
        if not issubclass(persistence, Restartable):
            setattr(snakemake.workflow, name, type(name, (Restartable, persistence), {}))


def refuse_what_loses_outputs(workflow: Any) -> None:
    """Snakemake deletes good outputs where jobs share a SLURM job and one of them fails.

    Raises:
        WorkflowError: array jobs or groups are asked for.
    """
    if getattr(workflow.executor_settings, "array_jobs", None):
        raise WorkflowError(
            "Array jobs (--slurm-array-jobs) are refused: with them, version 2.8 of the executor takes jobs that end "
            "before the first of their array for failed, and deletes their outputs."
        )
    if grouped := sorted(workflow.group_settings.overwrite_groups):
        raise WorkflowError(
            f"Groups (--groups, of {', '.join(grouped)}) are refused: where one job of a group fails, Snakemake deletes "
            "the outputs of all. Short work is batched within jobs."
        )


def running(folder: Path, state: str) -> list[str]:
    """Those Snakemakes with a file in `folder` that are alive or dead, or elsewhere, where that cannot be told."""
    return [file.name for file in sorted(folder.glob("*@*")) if _state(file) == state]


def _state(file: Path) -> str:
    if file.name.partition("@")[2] != socket.gethostname():
        return "elsewhere"
    with open(file) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "alive"
        except OSError:  # a file system without locks
            return "elsewhere"
    return "dead"


@contextlib.contextmanager
def _known_as_running(folder: Path) -> Iterator[None]:
    file = folder / f"{os.getpid()}@{socket.gethostname()}"
    folder.mkdir(exist_ok=True)
    for dead in running(folder, "dead"):
        (folder / dead).unlink(missing_ok=True)
    with open(file, "w") as handle:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _is_main(workflow: Any) -> bool:
    """Whether this is the Snakemake that a user has started to make something, not one that it has started itself."""
    return workflow.exec_mode == ExecMode.DEFAULT and workflow.executor_plugin is not None
