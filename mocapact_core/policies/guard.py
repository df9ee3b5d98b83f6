"""A training whose numbers are no longer sound stops and says so, rather than going on to a broken policy."""

from pathlib import Path

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from mocapact_core.errors import InputError
from mocapact_core.files import write_npz

DUMP = "diverged.npz"
LIMIT = 1e6
"""Far from all that a sound training comes near: normalised observations and rewards are at most 10, returns and losses
of the order of 1 to 100."""
BATCH = ("actions", "rewards", "values", "log_probs", "advantages", "returns")
LOSSES = ("train/loss", "train/policy_gradient_loss", "train/value_loss", "train/approx_kl")
"""As stable-baselines3 records them."""


class Guard(BaseCallback):
    """Checks what each update learns from, before it, and what came of it: losses and parameters.

    Raises InputError where a number is not finite or exceeds `LIMIT`. The batch of that update is then in
    diverged.npz. Checkpoints are made of states that have passed.

    Args:
        folder: of diverged.npz.
        section: of the configuration that the learning rate is set in, for the message.
    """

    def __init__(self, folder: Path, section: str):
        super().__init__()
        self.folder, self.section = folder, section
        # Else torch stops at the first action that is not finite, without a batch to look at.
        torch.distributions.Distribution.set_default_validate_args(False)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._check(self._batch())

    def _on_training_end(self) -> None:
        recorded = self.logger.name_to_value
        losses = {name: np.asarray(recorded.get(name, 0.0)) for name in LOSSES}
        parameters = {name: p.detach().numpy() for name, p in self.model.policy.named_parameters()}
        self._check({**losses, **parameters})

    def _batch(self) -> dict[str, np.ndarray]:
        buffer = self.model.rollout_buffer  # type: ignore[attr-defined]
        observations = {f"observations/{name}": values for name, values in buffer.observations.items()}
        return {**observations, **{name: getattr(buffer, name) for name in BATCH}}

    def _check(self, numbers: dict[str, np.ndarray]) -> None:
        bad = [name for name, values in numbers.items() if not (np.abs(values) < LIMIT).all()]
        if not bad:
            return
        dump = self.folder / DUMP
        write_npz(dump, self._batch())
        some = ", ".join(bad[:4]) + (f" and {len(bad) - 4} more" if len(bad) > 4 else "")
        raise InputError(
            f"Training diverged in the update after {self.model.num_timesteps:,} steps: not finite, or beyond "
            f"{LIMIT:,.0f}: {some}. The batch is in {dump}; the checkpoint before it stays. A smaller "
            f"{self.section}.learning_rate is what helps most."
        )
