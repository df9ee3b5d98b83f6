"""What Snakemake knows of others before it, and does about them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from mocapact_core.earlier_jobs import orphans, queued, wait_for_earlier_jobs
from mocapact_core.interruption import PARENT
from mocapact_core.restart import _known_as_running, refuse_what_loses_outputs, running

ROOT = Path(__file__).parents[1]
UUID = "e4b1a1de-76ab-4d8f-9d41-f3a2c7c9a0b5"
SQUEUE = """#!/bin/sh
[ -e gone ] && {{ echo "Unable to contact slurm controller" >&2; exit 1; }}
[ -e ended ] || echo "7|{uuid}|{here}"
echo "8|{uuid}|/elsewhere"
echo "9|an interactive shell|{here}"
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A squeue that tells of three jobs, one of them Snakemake's in this folder. The real one: tests/slurm."""
    (tmp_path / "bin").mkdir()
    squeue = tmp_path / "bin" / "squeue"
    squeue.write_text(SQUEUE.format(uuid=UUID, here=tmp_path))
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mocapact_core.earlier_jobs.SECONDS_BETWEEN_LOOKS", 0)
    return tmp_path


def test_the_jobs_of_this_folder_are_known(slurm):
    assert queued() == ["7"]


def test_jobs_of_an_earlier_run_are_waited_for(slurm):
    def tell(text):
        told.append(text)
        (slurm / "ended").touch()

    told: list[str] = []
    wait_for_earlier_jobs(tell, on_cluster=False)
    [text] = told
    assert text.startswith("Waiting for 1 SLURM jobs of an earlier run, to use what they make: 7.")


def test_where_jobs_are_submitted_slurm_has_to_answer(slurm):
    def tell(text):
        told.append(text)
        (slurm / "gone").unlink()
        (slurm / "ended").touch()

    told: list[str] = []
    (slurm / "gone").touch()
    wait_for_earlier_jobs(tell, on_cluster=False)
    assert told == []
    wait_for_earlier_jobs(tell, on_cluster=True)
    [text] = told
    assert "SLURM does not tell" in text
    assert "Unable to contact slurm controller" in text


def test_a_machine_without_slurm_has_no_queue(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert queued() == []


JOB = """
import os, sys, time
from types import SimpleNamespace
from mocapact_core.job import job
with job(SimpleNamespace(log=["log"], output=[], params={}, rule="train_expert")):
    open("begun", "w").close()
    time.sleep(60)
"""


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "zombie"])
def test_a_job_ends_with_its_snakemake(tmp_path, monkeypatch, reaped):
    monkeypatch.chdir(tmp_path)
    snakemake = subprocess.Popen(["sleep", "60"])
    environment = os.environ | {PARENT: str(snakemake.pid), "PYTHONPATH": str(ROOT)}
    job = subprocess.Popen([sys.executable, "-c", JOB], env=environment)
    while not Path("begun").exists():
        time.sleep(0.02)
    assert orphans() == []
    os.kill(job.pid, signal.SIGSTOP)  # it has no time to see what happens
    snakemake.kill()
    if reaped:
        snakemake.wait()
    while not orphans():
        time.sleep(0.02)
    assert orphans() == [job.pid]
    os.kill(job.pid, signal.SIGCONT)
    assert job.wait(timeout=30) == 75
    assert Path("log").read_text() == "Stopped by SIGTERM.\n"
    snakemake.wait()
    assert orphans() == []


def test_the_living_the_dead_and_those_elsewhere_are_told_apart(tmp_path):
    (tmp_path / "12@login2.cluster").touch()
    (tmp_path / f"13@{socket.gethostname()}").touch()
    assert running(tmp_path, "dead") == [f"13@{socket.gethostname()}"]
    with _known_as_running(tmp_path):
        assert running(tmp_path, "alive") == [f"{os.getpid()}@{socket.gethostname()}"]
        assert running(tmp_path, "elsewhere") == ["12@login2.cluster"]
        assert running(tmp_path, "dead") == []
    assert running(tmp_path, "alive") == []


def workflow(groups=(), array_jobs=None):
    return SimpleNamespace(
        executor_settings=SimpleNamespace(array_jobs=array_jobs),
        group_settings=SimpleNamespace(overwrite_groups=dict.fromkeys(groups, "together")),
    )


def test_what_loses_outputs_is_refused():
    refuse_what_loses_outputs(workflow())
    with pytest.raises(WorkflowError, match="of evaluate_expert, extract_clip"):
        refuse_what_loses_outputs(workflow(groups=["extract_clip", "evaluate_expert"]))
    with pytest.raises(WorkflowError, match="Array jobs"):
        refuse_what_loses_outputs(workflow(array_jobs="all"))


def test_a_lock_elsewhere_says_what_to_do(tmp_path):
    """And one of the dead needs nothing; that is what tests/workflow/test_chaos.py does all the time."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += ["results/clips/stand.h5"]

    def snakemake(*arguments):
        return subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True)

    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/clips/stand.h5\n")
    other = tmp_path / ".snakemake" / "running" / "12@login2.cluster"
    other.parent.mkdir()
    other.touch()
    refused = snakemake()
    assert refused.returncode == 1
    assert "process 12@login2.cluster" in refused.stderr
    assert "type snakemake --unlock" in refused.stderr
    assert "unlocked" in snakemake("--unlock").stderr.lower()
    done = snakemake()
    assert done.returncode == 0, done.stderr
