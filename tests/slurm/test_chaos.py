"""Jobs, Snakemake and a node die at random moments; Snakemake is started again as a user would: as if nothing had happened.

What is expected is made on this machine without SLURM: results do not tell where they were made.
"""

import random

import pytest

from tests.chaos import EVERY, TARGETS, TRAININGS, Run, moment
from tests.slurm.conftest import ON_SLURM, run_on

SOME = (TARGETS[0], TARGETS[2])  # an expert and its evaluation, a task policy


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory) -> dict[str, str]:
    run = Run(tmp_path_factory.mktemp("chaos") / "undisturbed", SOME)
    assert run.start("--cores", "2").wait() == 0, run.output
    return run.files()


def test_kills_change_no_result(cluster, tmp_path, undisturbed):
    chance = random.Random(4)
    run = run_on(cluster, tmp_path / "killed", SOME)
    with run:
        snakemake = run.start(*ON_SLURM)
        for victim in chance.sample(["job", "snakemake", "node", "snakemake"], 4):
            if not (running := moment(chance, run, snakemake)):
                break
            if victim == "job":
                chance.choice(running)[1].kill()
            elif victim == "node":
                cluster.control("kill", "n1")
                cluster.control("up")
            else:
                snakemake.kill()
                snakemake.wait()
                snakemake = run.start(*ON_SLURM)
        assert snakemake.wait() == 0, run.output
    run.read_logs()
    assert run.files() == undisturbed
    assert set(run.most.values()) == {1}, "no job has ever run twice at the same time"
    assert max(steps for rule in TRAININGS for steps in run.redone(rule)) <= EVERY, run.attempts
