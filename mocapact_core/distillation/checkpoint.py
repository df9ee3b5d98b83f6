"""How far the training of a policy has come, in memory and in a file to go on from."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mocapact_core.distillation.recipes import Recipe
from mocapact_core.files import sha256, write_tensors
from mocapact_core.interruption import uninterrupted

CHECKPOINT = "checkpoint.pt"
SCORES = ("normalized_reward", "completion_seconds")
"""What the best policy has most of: of an evaluation, the one that it has."""
LOSSES = ("validation_loss", "loss")
"""Of two equally good ones, the better has the smaller loss: the first that an evaluation has."""


class Training:
    """A policy and its optimiser between two gradient steps, and what led there.

    The best policy so far is part of it, so that file and memory cannot disagree on which that is.

    Args:
        path: the file. It appears whole or not at all.
        recipe: its policy and optimiser.
        record: plain JSON; what must be equal, besides the code, for another run to go on from here.
    """

    step: int
    """Gradient steps made."""
    rows: list[dict[str, float]]
    """Of progress.csv: means over the gradient steps since the row before."""
    evaluations: list[dict[str, float]]
    """Of validation.csv."""
    best: dict[str, Tensor] | None
    """The parameters of the best policy; None before the first evaluation."""

    def __init__(self, path: Path, recipe: Recipe, record: dict[str, Any]):
        self.path, self.recipe = path, recipe
        self._identity = json.dumps({**record, "code": _code()})
        self.step, self.rows, self.evaluations, self.best = 0, [], [], None
        self._sums: dict[str, float] = {}

    def resume(self) -> None:
        """Go on from the file. None, one that is damaged, or one of another training changes nothing."""
        try:
            content: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            print(f"{self.path} cannot be read ({error}): beginning anew.")
            return
        if content["identity"] != self._identity:
            print(f"{self.path} belongs to a training with other settings, data or code: beginning anew.")
            return
        self.recipe.policy.load_state_dict(content["policy"])
        self.recipe.optimizer.load_state_dict(content["optimizer"])
        self.step, self._sums = content["step"], content["sums"]
        self.rows, self.evaluations, self.best = content["rows"], content["evaluations"], content["best"]
        print(f"Going on from {self.path} at step {self.step:,}.", flush=True)

    def save(self) -> None:
        content = {
            "identity": self._identity,
            "step": self.step,
            "sums": self._sums,
            "rows": self.rows,
            "evaluations": self.evaluations,
            "best": self.best,
            "policy": self.recipe.policy.state_dict(),
            "optimizer": self.recipe.optimizer.state_dict(),
        }
        write_tensors(self.path, content)

    def stepped(self, terms: dict[str, float]) -> None:
        """A gradient step was made, with these numbers."""
        self.step += 1
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def end_row(self) -> dict[str, float]:
        steps = self.step - (int(self.rows[-1]["step"]) if self.rows else 0)
        self.rows.append({"step": self.step, **{name: value / steps for name, value in self._sums.items()}})
        self._sums = {}
        return self.rows[-1]

    @property
    def is_evaluated(self) -> bool:
        return bool(self.evaluations) and self.evaluations[-1]["step"] == self.step

    def evaluated(self, numbers: dict[str, float]) -> None:
        """The policy as it is was evaluated. The best one is kept."""
        evaluation = {"step": self.step, "loss": self.rows[-1]["loss"], **numbers}
        with uninterrupted():
            if all(_merit(evaluation) > _merit(other) for other in self.evaluations):
                self.best = {
                    name: tensor.detach().to("cpu", copy=True)
                    for name, tensor in self.recipe.policy.state_dict().items()
                }
            self.evaluations.append(evaluation)

    @property
    def best_step(self) -> int:
        """The step of the best policy; the last where there is no evaluation."""
        return int(max(self.evaluations, key=_merit)["step"]) if self.evaluations else self.step


def _merit(evaluation: dict[str, float]) -> tuple[float, float]:
    score = next(evaluation[name] for name in SCORES if name in evaluation)
    return score, -next(evaluation[name] for name in LOSSES if name in evaluation)


def _code() -> str:
    """A hash of the code that shapes a training: a checkpoint of other code must not be gone on from."""
    package = Path(__file__).parents[1]
    parts = ("clips", "humanoid", "tasks", "policies", "rollouts", "distillation")
    files = sorted(path for part in parts for path in (package / part).glob("*.py"))
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()
