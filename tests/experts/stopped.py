"""Trainings that are stopped by a real signal at an exact moment, in processes of their own.

    python -m tests.experts.stopped FOLDER MOMENT:SIGNAL ...

Each trains the expert of TRAIN into FOLDER/<moment>-<signal> through the command line and, at the moment, sends itself
the signal. Prints how each ended, as JSON: its exit code, or minus the number of the signal that it died of.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.buffers import DictRolloutBuffer

from mocapact_core.cli import main
from mocapact_core.experts import train as training
from mocapact_core.experts.progress import Evaluator
from mocapact_core.humanoid.model import load_model

SNIPPET = "wave-0-90"
SETTINGS = [
    "total_steps=256",
    "warm_start=none",
    "hidden=[16]",
    "workers=8",
    "steps_per_update=64",
    "epochs=2",
    "minibatch=32",
    "learning_rate=[0.003]",
    "evaluate_every=128",
    "evaluation_episodes=4",
    "evaluation_start_episodes=2",
]

# What is called at the moment, and which call of it that is. An update is 8 steps of the worlds and 4 gradient steps.
MOMENTS: dict[str, tuple[Any, str, int]] = {
    "in_the_first_evaluation": (Evaluator, "_run", 1),
    "in_a_rollout": (DictRolloutBuffer, "add", 3 * 8 + 5),
    "in_an_update": (torch.optim.Adam, "step", 1 * 4 + 3),
    "in_an_evaluation": (Evaluator, "_run", 4),
    "in_a_checkpoint": (os, "replace", 6),  # the first is for a checkpoint, then come three of an evaluation
    "between_model_and_normalizer": (training, "save_normalizer", 1),
    "at_the_end": (training, "save_normalizer", 4),
    "at_the_very_end": (training.shutil, "rmtree", 2),
}


def command(results: Path, checkpoint_every: int) -> list[str]:
    settings = [f"results={results}", f"experts.checkpoint_every={checkpoint_every}"]
    settings += [f"experts.{setting}" for setting in SETTINGS]
    return ["train", SNIPPET, *(word for setting in settings for word in ("--set", setting))]


def always(*_) -> bool:
    """In place of `is_best`, so that the outputs show the last state of the training and not a lucky first one."""
    return True


def stop_at(moment: str, number: int) -> None:
    owner, name, nth = MOMENTS[moment]
    original: Callable = getattr(owner, name)
    calls = 0

    def counted(*arguments, **keywords):
        nonlocal calls
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), number)
        return original(*arguments, **keywords)

    setattr(owner, name, counted)


def run(folder: Path, moment: str, name: str) -> int:
    """Fork, train and be stopped; the exit code, negative for a signal."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    number = signal.Signals[name]
    training.is_best = always
    stop_at(moment, number)
    every = 1 if number == signal.SIGKILL else 1_000_000
    os._exit(main(command(folder / f"{moment}-{name}", every)))


if __name__ == "__main__":
    sys.stdout = sys.stderr
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored where a shell runs this in the background
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1)])  # what takes seconds the first time, once for all
    load_model()
    where, *stops = sys.argv[1:]
    codes = {stop: run(Path(where), *stop.split(":")) for stop in stops}
    print(json.dumps(codes), file=sys.__stdout__)
