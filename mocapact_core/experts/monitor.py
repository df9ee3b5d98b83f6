"""Following a training by PPO: a bar on a terminal, lines in a log, TensorBoard, Weights & Biases."""

import secrets
import shutil
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from tqdm import tqdm

from mocapact_core.errors import InputError
from mocapact_core.experts.progress import Row
from mocapact_core.files import write_text

TENSORBOARD = "tensorboard"
"""Folder of event files beside the files of what is trained. It is no output of a rule: event files hold times, so that
nothing may depend on them, and those of a job that starts again are still wanted."""
LINE_SECONDS = 60.0
"""Least time between lines in a log, besides those of evaluations."""


def open_writers(folder: Path, project: str | None, config: dict[str, Any], resumed: bool) -> list[KVWriter]:
    """What numbers are written to: TensorBoard's event files, and a run of Weights & Biases where one is asked for.

    Args:
        folder: of what is trained, gets the event files. Those of an earlier training are removed.
        project: of Weights & Biases.
        config: what the run is to be known by; its name is the `snippet`.
        resumed: this training goes on, and so do event files and run.
    """
    if not resumed:
        shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
    run = [] if project is None else [WeightsAndBiases(project, config, folder, resumed)]
    return [TensorBoardOutputFormat(str(folder / TENSORBOARD)), *run]


class Monitor(BaseCallback):
    """Shows a training and writes down its numbers: after every update what stable-baselines3 records, and evaluations.

    Args:
        model: whose logger becomes the `writers`. They are closed with the context.
        total: environment steps of the whole training.
    """

    def __init__(self, model: PPO, total: int, writers: list[KVWriter]):
        super().__init__()
        model.set_logger(Logger(None, writers))
        self.init_callback(model)
        self.total, self.first = total, model.num_timesteps
        self.began = self.told = time.monotonic()
        self.bar: tqdm | None = None

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
        self.logger.close()

    def evaluated(self, evaluation: Row) -> None:
        for name, value in asdict(evaluation).items():
            self.logger.record(f"evaluation/{name}", value)
        self.logger.dump(evaluation.steps)
        self._tell(str(evaluation))

    def _on_training_start(self) -> None:
        if self.bar is None and sys.stderr.isatty():
            self.bar = tqdm(total=self.total, initial=self.first, unit=" steps", unit_scale=True)

    def _on_step(self) -> bool:
        if self.bar is not None:
            self.bar.update(self.training_env.num_envs)
        return True

    def _on_training_end(self) -> None:
        self.model.dump_logs()  # type: ignore[attr-defined]
        if self.bar is None and time.monotonic() - self.told >= LINE_SECONDS:
            rate = (self.num_timesteps - self.first) / (time.monotonic() - self.began)
            left = timedelta(seconds=round(max(0, self.total - self.num_timesteps) / rate))
            self._tell(
                f"{self.num_timesteps:>11,} of {self.total:,} steps, {rate:,.0f} steps/s, {left} left at most"
            )

    def _tell(self, line: str) -> None:
        tqdm.write(line)  # prints above the bar, where there is one
        sys.stdout.flush()
        self.told = time.monotonic()


class WeightsAndBiases(KVWriter):
    """A run of Weights & Biases. A training that is gone on from goes on in its run.

    Raises:
        InputError: the package is not installed, or no run can be begun.
    """

    def __init__(self, project: str, config: dict[str, Any], folder: Path, resumed: bool):
        wanted = f"experts.wandb is {project!r}, but"
        try:
            import wandb
        except ImportError:
            raise InputError(
                f"{wanted} Weights & Biases is not installed here. Install it (pip install wandb), or set "
                "experts.wandb to null."
            ) from None
        run_id = folder / "wandb" / "run_id.txt"
        if not (resumed and run_id.exists()):
            write_text(run_id, secrets.token_hex(4))
        try:
            self.run = wandb.init(
                project=project,
                name=config["snippet"],
                id=run_id.read_text(),
                resume="allow",
                config=config,
                dir=str(folder),
            )
        except wandb.Error as error:
            raise InputError(
                f"{wanted} no run can be begun there: {error}. Log in (wandb login), or keep the run on this "
                "machine (WANDB_MODE=offline)."
            ) from None

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        self.run.log({name: float(value) for name, value in key_values.items()}, step=step)

    def close(self) -> None:
        self.run.finish()
