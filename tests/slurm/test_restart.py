"""Snakemake is killed while its jobs go on in SLURM: the next one uses what they make, and knows what it was made with."""

import time

import pytest
import yaml

from tests.chaos import SETTINGS, Run
from tests.slurm.conftest import ON_SLURM, run_on

EXPERT = "results/experts/stand-0-80/expert.json"


@pytest.fixture
def killed(cluster, tmp_path):
    """A run whose Snakemake was killed while it trained an expert."""
    run = run_on(cluster, tmp_path / "run", [EXPERT])
    snakemake = run.start(*ON_SLURM)
    log = run.folder / "results/logs/train_expert/stand-0-80.log"
    while snakemake.poll() is None and not (log.exists() and "512 steps" in log.read_text()):
        time.sleep(0.1)
    snakemake.kill()
    snakemake.wait()
    return run


def trainings(cluster, run: Run) -> list[str]:
    """The states of all jobs of this run that train."""
    lines = cluster.run("squeue", "--states=all", "--noheader", "--format=%T|%k|%Z").splitlines()
    jobs = [line.split("|") for line in lines]
    return [state for state, rule, at in jobs if rule.startswith("rule_train_") and at == str(run.folder)]


def plan(run: Run, *settings: str) -> str:
    begin = len(run.output)
    run.command += settings  # more files after --configfile
    assert run.start(*ON_SLURM, "--dry-run").wait() == 0, run.output
    return run.output[begin:]


def test_the_job_that_runs_is_waited_for_and_used(cluster, killed):
    assert trainings(cluster, killed) == ["RUNNING"]
    assert killed.start(*ON_SLURM).wait() == 0, killed.output
    assert "Waiting for 1 SLURM jobs of an earlier run, to use what they make: " in killed.output
    assert "which is dead, is taken away" in killed.output or "Nothing to be done" in killed.output
    assert trainings(cluster, killed) == ["COMPLETED"], "it was not submitted again"


def test_what_it_has_made_is_known_by_its_settings(cluster, killed):
    while trainings(cluster, killed) == ["RUNNING"]:
        time.sleep(0.5)
    assert trainings(cluster, killed) == ["COMPLETED"]
    assert "Nothing to be done" in plan(killed)
    other = {"experts": SETTINGS["experts"] | {"gamma": 0.5}}
    (killed.folder / "other.yaml").write_text(yaml.safe_dump(other))
    planned = plan(killed, "other.yaml")
    assert "rule train_expert" in planned
    assert "Params have changed" in planned
