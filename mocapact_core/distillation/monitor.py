"""Following the training of a policy: a bar on a terminal, lines in a log, TensorBoard; and how fast it is.

What tells of time goes to these alone: files that a rule makes are the same whenever they are made.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from mocapact_core.distillation.recipes import Recipe
from mocapact_core.experts.monitor import TENSORBOARD
from mocapact_core.rollouts.dataset import RolloutDataset

LINES = 20
"""Lines in a log, besides those of evaluations."""


class Monitor:
    """Shows a training and writes down its numbers.

    Args:
        folder: gets the event files of TensorBoard. Those of an earlier training are removed.
        first: gradient steps that were made before.
        total: gradient steps of the whole training.
        sequences: of a batch.
        flops: of a gradient step.
    """

    def __init__(self, folder: Path, first: int, total: int, sequences: int, flops: int):
        self.total, self.sequences, self.flops = total, sequences, flops
        if not first:
            shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
        self.writer = SummaryWriter(str(folder / TENSORBOARD), purge_step=first + 1 if first else None)
        self.bar = tqdm(initial=first, total=total, unit="step") if sys.stderr.isatty() else None
        self.every = max(1, total // LINES)
        self.steps, self.seconds, self.waited = 0, 0.0, 0.0

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
        self.writer.close()

    def stepped(self, step: int, seconds: float, waited: float, row: dict[str, float] | None) -> None:
        """A gradient step was made.

        Args:
            seconds: that it took, those included that its batch was waited for.
            waited: those.
            row: of progress.csv, where one ends with this step.
        """
        self.steps += 1
        self.seconds += seconds
        self.waited += waited
        if self.bar is not None:
            self.bar.update()
        if row is None:
            return
        speed = self._speed()
        self._write("training", row, step)
        self._write("speed", speed, step)
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "step")
        if self.bar is not None:
            self.bar.set_postfix_str(numbers, refresh=False)
        elif step // self.every > (step - self.steps) // self.every or step == self.total:
            pace = "; {sequences_per_second:.4g} sequences/s, {waiting:.1%} of the time waiting, {gflops:.4g} GFLOP/s"
            self._tell(f"step {step} of {self.total}: {numbers}{pace.format(**speed)}")
        self.steps, self.seconds, self.waited = 0, 0.0, 0.0

    def evaluated(self, evaluation: dict[str, float]) -> None:
        self._write("evaluation", evaluation, int(evaluation["step"]))
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in evaluation.items() if name != "step")
        self._tell(f"evaluation at step {evaluation['step']}: {numbers}")

    def _speed(self) -> dict[str, float]:
        """Since the last row."""
        return {
            "sequences_per_second": self.steps * self.sequences / self.seconds,
            "waiting": self.waited / self.seconds,
            "gflops": 1e-9 * self.steps * self.flops / self.seconds,
        }

    def _write(self, group: str, numbers: dict[str, float], step: int) -> None:
        for name, value in numbers.items():
            if name != "step":
                self.writer.add_scalar(f"{group}/{name}", value, step)

    def _tell(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)  # prints above the bar, where there is one
        sys.stderr.flush()


def flops_of_step(recipe: Recipe, dataset: RolloutDataset, batch: int) -> int:
    """Floating-point operations in the matrix products of a gradient step, forward and backward, as the network is
    written: a multiplication and an addition are two. Counted on one sequence, uncompiled."""
    eager = torch.compiler.set_stance("force_eager")
    with eager, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        recipe.loss(dataset.batch(np.random.default_rng(0), 1))["loss"].backward()
    recipe.optimizer.zero_grad()
    return batch * counter.get_total_flops()
