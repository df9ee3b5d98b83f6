"""What is measured of episodes that track a reference."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mocapact_core.tasks.episodes import Episodes

MEASURES: dict[str, Callable[[Episodes], np.ndarray]] = {
    "normalized_reward": lambda episodes: episodes.normalized_returns,
    "normalized_length": lambda episodes: episodes.normalized_lengths,
    "reward_per_step": lambda episodes: episodes.returns / episodes.lengths,
    "joint_angle_error": lambda episodes: episodes.joint_errors.mean(axis=1),
    "mpjpe": lambda episodes: 1000 * episodes.body_errors,
    "mpjpe_root_aligned": lambda episodes: 1000 * episodes.body_errors_from_root,
}
"""What is measured of every episode. Errors are means over its steps, as far as it went, whatever its length:

- joint_angle_error: the absolute error of a joint angle, mean over the 56 joints.
- mpjpe: mean per-joint position error, the distance in the world frame between a body and its place in the
  reference, mean over the 31 bodies of the termination error: all but the root, at which, however,
  three of them lie (lhipjoint, rhipjoint, lowerback).
- mpjpe_root_aligned: the same with the humanoid moved, not turned, so that its root lies at that of the reference.
"""
UNITS = {"joint_angle_error": "rad", "joint_angle_errors": "rad", "mpjpe": "mm", "mpjpe_root_aligned": "mm"}
"""Of the measures that have one."""

COLUMNS = (
    "episodes",
    "success_rate",
    *(f"{name}{part}" for name in MEASURES for part in ("", "_low", "_high")),
)
"""Of tables of evaluations: `cells` fills them."""


def published_arrays(episodes: Episodes) -> dict[str, np.ndarray]:
    """The keys of MoCapAct's evaluation files, one entry an episode."""
    return {
        "ep_rews": episodes.returns,
        "ep_lens": episodes.lengths,
        "ep_norm_rews": episodes.normalized_returns,
        "ep_norm_lens": episodes.normalized_lengths,
        "rews_per_step": episodes.returns / episodes.lengths,
    }


def cells(measured: Mapping[str, Any]) -> list[int | float]:
    """The `COLUMNS` of one protocol, from what evaluation.json says of it: of each measure the mean, and the confidence
    interval of it."""
    return [
        *(measured[name] for name in ("episodes", "success_rate")),
        *(measured[name][part] for name in MEASURES for part in ("mean", "low", "high")),
    ]
