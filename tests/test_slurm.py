"""What the executor makes of SLURM's answers, where a real SLURM would take long to give them; tests/slurm has one."""

import asyncio
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm import Executor

from mocapact_core import slurm
from mocapact_core.settings import ClusterSettings
from mocapact_core.slurm import PATIENCE, PatientExecutor

AWAY = None, "connect failure"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Call it with a name and a shell script to have a program of that name."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def write(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return write


@pytest.fixture
def executor(monkeypatch):
    """An executor as far as it needs no workflow; `told` are its reports."""
    executor = object.__new__(PatientExecutor)
    executor.told = told = []
    executor._ending, executor._answered = threading.Event(), True
    executor._misses, executor._reasons, executor._partitions = Counter(), {}, None
    executor.workflow = SimpleNamespace(
        remote_execution_settings=SimpleNamespace(seconds_between_status_checks=0.01),
        executor_settings=SimpleNamespace(keep_successful_logs=False),
    )
    executor.logger = SimpleNamespace(warning=told.append)
    executor.report_job_success = lambda job: told.append(f"{job.external_jobid} well")
    executor.report_job_error = lambda job, msg, aux_logs: told.append(f"{job.external_jobid} {msg}")
    return executor


def submitted(*names: str) -> list:
    aux = {"slurm_logfile": Path("nowhere.log")}
    rule = SimpleNamespace(name="train_expert")
    return [SimpleNamespace(external_jobid=name, aux=aux, job=rule) for name in names]


def check(executor, jobs) -> list[str]:
    """The jobs that go on."""

    async def collect():
        return [job.external_jobid async for job in executor.check_active_jobs(jobs)]

    return asyncio.run(collect())


def test_all_ends_are_seen(executor, programs):
    programs("squeue", r"printf '1|PREEMPTED|None\n2|RUNNING|None\n3|COMPLETED|None\n4|CANCELLED|None\n'")
    assert check(executor, submitted("1", "2", "3", "4")) == ["2"]
    assert [line.split(".")[0] for line in executor.told] == [
        "1 SLURM job 1 ended with PREEMPTED (None)",
        "3 well",
        "4 SLURM job 4 ended with CANCELLED (None)",
    ]


def test_nothing_ends_while_slurm_is_away(executor, programs):
    programs("squeue", "echo connect failure >&2; exit 1")
    for _ in range(9):
        assert check(executor, submitted("1")) == ["1"]
    programs("squeue", "echo '1|COMPLETED|None'")
    assert check(executor, submitted("1")) == []
    waiting = "Waiting: SLURM does not answer (connect failure)."
    assert executor.told == [waiting, "SLURM answers again.", "1 well"]


@pytest.mark.parametrize(
    ("sacct", "end"),
    [
        ("echo COMPLETED", "1 well"),
        ("echo CANCELLED by 1000", "1 SLURM job 1 ended with CANCELLED (as accounted)"),
        ("echo RUNNING", "1 SLURM job 1 ended with FAILED (SLURM has forgotten it)"),
        ("exit 1", "1 SLURM job 1 ended with FAILED (SLURM has forgotten it)"),
    ],
)
def test_what_squeue_forgets_accounting_may_know(executor, programs, sacct, end):
    programs("squeue", "true")
    programs("sacct", sacct)
    for _ in range(PATIENCE - 1):
        assert check(executor, submitted("1")) == ["1"]
    assert check(executor, submitted("1")) == []
    assert [line.split(".")[0] for line in executor.told] == [end]


def test_who_must_help_is_told_once(executor, programs):
    programs("squeue", "echo '1|PENDING|PartitionTimeLimit'")
    for _ in range(3):
        assert check(executor, submitted("1")) == ["1"]
    [line] = executor.told
    assert "1 (train_expert)" in line and "PartitionTimeLimit" in line


def test_jobs_are_submitted_when_slurm_answers(executor, monkeypatch):
    answers = iter([AWAY, AWAY, ({}, "")])
    asked = []
    monkeypatch.setattr(slurm, "ask", lambda: asked.append(1) or next(answers))
    monkeypatch.setattr(Executor, "run_job", lambda self, job: self.told.append(job))
    executor.run_job("job")
    assert len(asked) == 3 and executor.told[-1] == "job"


def test_account_and_partition_are_those_of_the_settings(executor, monkeypatch):
    def asked(**resources):
        job = SimpleNamespace(resources=resources)
        return next(executor.get_account_arg(job)) + executor.get_partition_arg(job)

    assert asked(gres="gpu:1") == ""
    cluster = ClusterSettings(account="us", partition="cpu", gpu_partition="gpu")
    monkeypatch.setattr(PatientExecutor, "cluster", cluster)
    assert asked(gres="") == " -A us -p cpu"
    assert asked(gres="gpu:1") == " -A us -p gpu"
    assert asked(slurm_account="them") == " -A them -p cpu"
