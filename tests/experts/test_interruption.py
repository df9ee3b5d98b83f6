"""Nothing is lost: trainings stopped by real signals go on, and end with the bytes of one that never was."""

import json
import signal
import subprocess
import sys

import pytest

from mocapact_core.cli import main
from mocapact_core.experts import train
from mocapact_core.experts.progress import Evaluator
from mocapact_core.experts.train import CHECKPOINT, TRAINING
from tests.experts.stopped import MOMENTS, SNIPPET, always, command

KILLED = [(moment, "SIGKILL") for moment in MOMENTS]
ASKED = [
    ("in_a_rollout", "SIGTERM"),
    ("in_an_update", "SIGUSR1"),
    ("in_an_evaluation", "SIGUSR2"),
    ("in_a_rollout", "SIGINT"),
    ("at_the_end", "SIGTERM"),
]


def outputs(results) -> dict[str, bytes]:
    """What the rule makes, by path. Event files are none of it."""
    folder = results / "experts" / SNIPPET
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "tensorboard"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module", autouse=True)
def the_last_model_is_kept():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "is_best", always)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The outputs of a training that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(command(folder, 1_000_000)) == 0
    return outputs(folder)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A folder of stopped trainings, and how each ended."""
    folder = tmp_path_factory.mktemp("stopped")
    stops = [f"{moment}:{name}" for moment, name in KILLED + ASKED]
    run = subprocess.run(
        [sys.executable, "-m", "tests.experts.stopped", str(folder), *stops], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return folder, json.loads(run.stdout), run.stderr


def test_the_whole_training_makes_the_published_files(whole):
    assert set(whole) == {
        "clip_info.json",
        "eval_rsi/model/best_model.zip",
        "eval_rsi/model/vecnormalize.pkl",
        "expert.json",
        "expert.safetensors",
        "progress.csv",
    }
    assert whole["progress.csv"].count(b"\n") == 1 + 3


@pytest.mark.parametrize(("moment", "name"), KILLED + ASKED)
def test_a_stopped_training_ends_with_the_same_bytes(whole, stopped, moment, name):
    folder, codes, _ = stopped
    results = folder / f"{moment}-{name}"
    expected = {"SIGKILL": -signal.SIGKILL, "SIGINT": 130}.get(name, 75)
    assert codes[f"{moment}:{name}"] == expected
    for output in whole:  # as Snakemake does before a job starts again
        (results / "experts" / SNIPPET / output).unlink(missing_ok=True)
    assert main(command(results, 1)) == 0
    assert outputs(results) == whole


def test_a_signal_loses_the_update_it_comes_in_at_most(stopped):
    """Although the interval between checkpoints is far longer. An update is 64 steps."""
    folder, _, said = stopped
    begun = {"in_a_rollout-SIGTERM": 192, "in_an_update-SIGUSR1": 64, "in_an_evaluation-SIGUSR2": 128}
    for name, steps in begun.items():
        path = folder / name / "experts" / SNIPPET / TRAINING / CHECKPOINT
        assert f"Start it again to go on at {steps} steps from {path}." in said


def test_a_checkpoint_of_another_training_is_not_gone_on_from(whole, tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(Evaluator, "_run", lambda *_: (_ for _ in ()).throw(InterruptedError))
        main([*command(tmp_path, 1), "--set", "seed=7"])
    assert (tmp_path / "experts" / SNIPPET / TRAINING / CHECKPOINT).exists()
    assert main(command(tmp_path, 1)) == 0
    assert "starting anew" in capsys.readouterr().out
    assert outputs(tmp_path) == whole


def test_a_damaged_checkpoint_is_named(tmp_path, capsys):
    path = tmp_path / "experts" / SNIPPET / TRAINING / CHECKPOINT
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK no")
    assert main(command(tmp_path, 1)) == 1
    assert f"{path} is damaged" in capsys.readouterr().err
