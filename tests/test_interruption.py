"""Signals that ask a job to stop."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from mocapact_core.interruption import WARNINGS, Interrupted, interruptible, uninterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, *WARNINGS])
def test_the_first_signal_interrupts_and_others_do_not_disturb(number):
    before = signal.getsignal(number)
    done = []
    with pytest.raises(Interrupted, match=number.name), interruptible():
        try:
            os.kill(os.getpid(), number)
            done.append("went on")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), number)
            done.append("kept")
    assert done == ["kept"]
    assert signal.getsignal(number) == before


def test_outside_the_main_thread_nothing_changes():
    seen = []

    def work():
        with interruptible():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_warnings_pass_over_a_process_to_those_it_starts():
    """Snakemake lives on, and so does a script that does not know them; one that does is interrupted."""
    knows = "from mocapact_core.interruption import *; import os, signal\nwith interruptible(): os.kill(os.getpid(), 10)"
    code = f"""
import os, signal, subprocess, sys
from mocapact_core.interruption import pass_over_warnings
pass_over_warnings()
os.kill(os.getpid(), signal.SIGUSR1)
ignorant = subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 10)"])
knowing = subprocess.run([sys.executable, "-c", {knows!r}], capture_output=True, text=True)
print(ignorant.returncode, knowing.returncode != 0, "Stopped by SIGUSR1" in knowing.stderr)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split() == ["0", "True", "True"], run.stderr


@pytest.fixture
def ctrl_c():
    """Ctrl-C as Python takes it: of tests that run in the background, the shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, *WARNINGS])
def test_what_must_be_whole_is_ended_first(number, ctrl_c):
    done = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        with uninterrupted():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("whole")
        done.append("went on")
    assert done == ["whole"]
