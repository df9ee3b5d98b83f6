"""Jobs and Snakemake are killed at random moments and started again, as a user would: as if nothing had happened."""

import random

import pytest

from tests.chaos import EVERY, TRAININGS, Run, moment

KILLS = 7
HERE = ("--cores", "2", "--retries", "2")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, str]:
    run = Run(tmp_path_factory.mktemp("chaos") / "undisturbed")
    assert run.start(*HERE).wait() == 0, run.output
    return run.files()


def test_kills_change_no_result(tmp_path, undisturbed):
    chance = random.Random(4)
    with Run(tmp_path / "killed") as run:
        snakemake = run.start(*HERE)
        for _ in range(KILLS):
            for _, process in moment(chance, run, snakemake)[:1]:
                victim = chance.choice([process, snakemake])
                victim.kill()
                victim.wait()
            if snakemake.poll() is not None:
                snakemake = run.start(*HERE)
        if snakemake.wait():  # a job may have been killed more often than it is retried
            assert run.start(*HERE).wait() == 0, run.output
    run.read_logs()
    assert run.files() == undisturbed
    assert set(run.most.values()) == {1}, "no job has ever run twice at the same time"
    redone = [steps for rule in TRAININGS for steps in run.redone(rule)]
    assert redone, "no training was killed"
    assert max(redone) <= EVERY, run.attempts
