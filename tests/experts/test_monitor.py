"""Following a training: what a terminal, a log, TensorBoard and Weights & Biases are told."""

import csv
import io
import re
import sys
from types import ModuleType

import pytest
from stable_baselines3 import PPO
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mocapact_core.errors import InputError
from mocapact_core.experts import monitor
from tests.experts.conftest import SNIPPET


def rows(folder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "progress.csv").open()))


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / monitor.TENSORBOARD)).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


class Stopped(Exception):
    pass


@pytest.fixture
def stop_in_update(monkeypatch):
    """Stop a training in its nth update, as a crash would."""

    def stop(nth):
        train, calls = PPO.train, []

        def counted(self):
            calls.append(self)
            if len(calls) == nth:
                raise Stopped
            train(self)

        monkeypatch.setattr(PPO, "train", counted)

    return stop


def test_tensorboard_gets_evaluations_and_every_update(expert_folder):
    written = scalars(expert_folder)
    for name in ("normalized_reward", "start_normalized_length"):
        expected = [
            (int(row["steps"]), pytest.approx(float(row[name]), abs=1e-5)) for row in rows(expert_folder)
        ]
        assert written[f"evaluation/{name}"] == expected
    for name in ("train/loss", "train/approx_kl", "time/fps"):
        assert [step for step, _ in written[name]] == [64, 128]


def test_event_files_of_a_stopped_training_stay_and_go_on(train, tmp_path, stop_in_update):
    with pytest.raises(Stopped):
        stop_in_update(2)
        train(tmp_path, warm_start="none", checkpoint_every=1)
    assert len(list((tmp_path / monitor.TENSORBOARD).iterdir())) == 1
    stop_in_update(0)
    train(tmp_path, warm_start="none", checkpoint_every=1)
    assert len(list((tmp_path / monitor.TENSORBOARD).iterdir())) == 2
    steps = [step for step, _ in scalars(tmp_path)["train/loss"]]
    assert sorted(set(steps)) == [64, 128]
    train(tmp_path, warm_start="none", total_steps=0)  # another training
    assert len(list((tmp_path / monitor.TENSORBOARD).iterdir())) == 1
    assert "train/loss" not in scalars(tmp_path)


def test_a_log_gets_plain_lines(train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(monitor, "LINE_SECONDS", 0.0)
    train(tmp_path, warm_start="none")
    lines = capsys.readouterr().out.splitlines()
    first, *others = rows(tmp_path)
    assert re.fullmatch(
        rf" +0 steps: normalised reward {float(first['normalized_reward']):.3f}, length 0\.\d+; from .*",
        lines[0],
    )
    assert len(lines) == 1 + 2 * len(others)
    assert re.fullmatch(r" +64 of 128 steps, [\d,]+ steps/s, \d+:\d\d:\d\d left at most", lines[1])
    assert lines[-1].lstrip().startswith("128 steps: normalised reward")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar(train, tmp_path, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    train(tmp_path, warm_start="none")
    bar = terminal.getvalue()
    assert "100%" in bar and re.search(r"128/128 \[\d\d:\d\d<\d\d:\d\d, .*steps/s\]", bar), bar
    assert "128 steps: normalised reward" in capsys.readouterr().out
    assert "left at most" not in bar


# ---- Weights & Biases, as a module that writes down what it is asked


class Run:
    def __init__(self, calls):
        self.calls = calls

    def log(self, numbers, step):
        self.calls.append(("log", step, numbers))

    def finish(self):
        self.calls.append(("finish",))


@pytest.fixture
def wandb(monkeypatch):
    module = ModuleType("wandb")
    module.calls, module.Error = [], type("Error", (Exception,), {})

    def init(**keywords):
        module.calls.append(("init", keywords))
        return Run(module.calls)

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_weights_and_biases_gets_the_same_numbers(train, tmp_path, wandb):
    train(tmp_path, warm_start="none", wandb="experts")
    (_, begun), *logged, last = wandb.calls
    assert (begun["project"], begun["name"], begun["resume"]) == ("experts", SNIPPET.name, "allow")
    assert begun["config"]["settings"]["experts"]["total_steps"] == 128
    assert last == ("finish",)
    steps = [step for _, step, _ in logged]
    assert steps == [0, 64, 64, 128, 128]
    rewards = [
        numbers["evaluation/normalized_reward"] for *_, numbers in logged if "train/loss" not in numbers
    ]
    assert rewards == [pytest.approx(float(row["normalized_reward"]), abs=1e-5) for row in rows(tmp_path)]
    for tag, values in scalars(tmp_path).items():
        assert [step for _, step, numbers in logged if tag in numbers] == [step for step, _ in values]


def test_a_training_that_goes_on_goes_on_in_its_run(train, tmp_path, wandb, stop_in_update):
    with pytest.raises(Stopped):
        stop_in_update(2)
        train(tmp_path, warm_start="none", checkpoint_every=1, wandb="experts")
    assert wandb.calls[-1] == ("finish",)
    stop_in_update(0)
    for _ in range(2):
        train(tmp_path, warm_start="none", checkpoint_every=1, wandb="experts")
    first, second, another = (
        keywords["id"] for name, *rest in wandb.calls if name == "init" for keywords in rest
    )
    assert first == second != another


def test_following_does_not_change_the_expert(train, tmp_path, wandb):
    plain = train(tmp_path / "plain", warm_start="none")
    followed = train(tmp_path / "followed", warm_start="none", wandb="experts", checkpoint_every=1)
    for file in ("eval_rsi/model/best_model.zip", "eval_rsi/model/vecnormalize.pkl", "progress.csv"):
        assert (plain / file).read_bytes() == (followed / file).read_bytes()


def test_without_the_package_it_is_said_before_training(train, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=r"'experts', but .*pip install wandb"):
        train(tmp_path, wandb="experts")
    assert not (tmp_path / "progress.csv").exists()


def test_a_run_that_cannot_begin_is_said(train, tmp_path, wandb, monkeypatch):
    def fail(**_):
        raise wandb.Error("no API key")

    monkeypatch.setattr(wandb, "init", fail)
    with pytest.raises(InputError, match=r"no API key.*WANDB_MODE=offline"):
        train(tmp_path, wandb="experts")
