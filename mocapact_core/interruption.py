"""A long job that is asked to stop keeps what it has and stops in good order, to be started again.

SIGTERM ends a job: SLURM sends it at the time limit, at preemption and for `scancel`, half a minute before it kills.
SLURM warns earlier where it is asked to, with `sbatch --signal=USR1@300` (or USR2).
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import psutil

WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)
"""SLURM's, where `--signal` names one of them."""
EXIT_CODE = os.EX_TEMPFAIL
"""75, in sysexits.h: a temporary failure, try again. Not 0, so that Snakemake (`retries`) starts the job again; and no
failure (1), wrong usage (2) or death by a signal (128 and more), so that a batch script or SLURM's RequeueExit can
tell that starting again is all that is needed."""

PARENT = "MOCAPACT_SNAKEMAKE"
"""The environment variable that tells a job the process id of its Snakemake."""


class Interrupted(KeyboardInterrupt):
    """The job was asked to stop by a signal other than Ctrl-C. The message says what to do."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within, SIGTERM and SLURM's warnings raise Interrupted wherever the program is, as Ctrl-C does.

    Only the first does: SLURM and Snakemake send more than one, and those must not disturb what is done about the
    first. Outside the main thread, where Python cannot handle signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, *WARNINGS)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Within, a signal that asks to stop waits until the end: for what must be done whole or not at all.

    Outside the main thread, where Python cannot handle signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: waiting.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, *WARNINGS)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def end_with(pid: int) -> None:
    """Send this process SIGTERM when the process `pid` ends: jobs would outlive a Snakemake that is killed."""

    def watch() -> None:
        while is_alive(pid):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def is_alive(pid: int) -> bool:
    """Whether there is a process on this machine that has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pass_over_warnings() -> None:
    """Leave SLURM's warnings to the processes that this one starts: unhandled, they would end it."""
    for number in WARNINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGTERM, *WARNINGS):
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(f"Stopped by {signal.Signals(number).name}.")
