"""What must be true of every recorded episode, check by check.

A check yields what is wrong with an episode, half a sentence each, and whether that is an error. Published
files were looked at: where they differ from ours and that does no harm, it is a note with what to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mocapact_core.rollouts import layout
from mocapact_core.rollouts.collect import GAMMA, LAMBDA, advantages
from mocapact_core.rollouts.recorded import Columns, start_step

TOLERANCE = 1e-4  # of sums in 32 bits, relative to the largest term or 1
STEP_TOLERANCE = 0.01  # of time_in_clip, in steps

Wrong = Iterator[tuple[str, bool]]


@dataclass(frozen=True)
class Record:
    """An episode and what its file says about it."""

    episode: layout.Episode
    columns: Columns
    pictures: dict[str, tuple[int, ...]]
    """Shape of what each camera recorded."""
    n_steps: int
    """Of the snippet."""
    last_step: int
    """The step of the snippet at which an episode ends regularly, T."""
    from_start: bool
    """Whether it is among those from the start of the snippet."""
    metrics: dict[str, float]
    """`layout.METRICS` and early_termination of this episode."""

    @cached_property
    def start(self) -> int | None:
        """The step of the snippet at which it began, t0; None where that is not known."""
        if "time_in_clip" in self.columns:
            return start_step(self.episode.observations, self.columns, self.n_steps)
        return 0 if self.from_start else None

    @property
    def horizon(self) -> int | None:
        """T - t0"""
        return None if self.start is None else self.last_step - self.start


def wrong_arrays(record: Record) -> Wrong:
    """Shapes and types."""
    episode, steps = record.episode, len(record.episode)
    if not steps:
        yield "it has no step", True
    size = sum(len(columns) for columns in record.columns.values())
    shapes: dict[str, tuple[int, ...]] = {"observations": (steps + 1, size)}
    shapes |= dict.fromkeys(("actions", "mean_actions"), (steps, layout.N_ACTIONS))
    for name, array in vars(episode).items():
        shape = shapes.get(name, (steps,))
        if array.shape != shape:
            yield f"{name} has the shape {array.shape} instead of {shape}", True
        elif array.dtype.kind != "f":
            yield f"{name} is of type {array.dtype} instead of float32", True
        elif array.dtype != np.float32:
            yield f"{name} is of type {array.dtype}; convert to float32, which others expect", False
    for camera, shape in record.pictures.items():
        if shape[:1] != (steps + 1,):
            yield f"{camera} has {shape[0]} pictures instead of {steps + 1}", True


def not_finite(record: Record) -> Wrong:
    for name, array in vars(record.episode).items():
        broken = ~np.isfinite(array)
        if broken.any():
            first = np.argwhere(broken)[0].tolist()
            yield f"{name} holds {broken.sum()} values that are not finite, the first at {first}", True
    for name, value in record.metrics.items():
        if not np.isfinite(value):
            yield f"{name} says {value}", True


def wrong_time(record: Record) -> Wrong:
    """time_in_clip, of which t0 is computed; every step is one of the snippet."""
    if "time_in_clip" not in record.columns:
        return
    steps = (
        record.episode.observations[:, record.columns["time_in_clip"]][:, 0].astype(float) * record.n_steps
    )
    off = np.abs(steps - (record.start or 0) - np.arange(len(steps)))
    if off.max() > STEP_TOLERANCE:
        row = int(np.argmax(off > STEP_TOLERANCE))
        yield (
            f"time_in_clip does not count the steps of the snippet: row {row} is at step {steps[row]:.2f}",
            True,
        )
    elif record.from_start and record.start:
        yield f"it is among those from the start, but begins at step {record.start}", True


def wrong_length(record: Record) -> Wrong:
    steps, horizon = len(record.episode), record.horizon
    said, share = record.metrics["episode_lengths"], record.metrics["norm_episode_lengths"]
    if said != steps:
        yield f"episode_lengths says {said:g}, but it has {steps} steps", True
    if horizon is None:
        return
    if not 0 < steps <= horizon:
        yield f"it has {steps} steps from step {record.start}, where the snippet leaves {horizon}", True
    elif abs(share * horizon - steps) > TOLERANCE * horizon:
        yield f"norm_episode_lengths says {share:.4f}, but it has {steps} of {horizon} steps", True


def wrong_return(record: Record) -> Wrong:
    rewards = record.episode.rewards.astype(np.float64)
    said, normalised = record.metrics["episode_returns"], record.metrics["norm_episode_returns"]
    tolerance = TOLERANCE * max(1.0, np.abs(rewards).sum())
    if abs(said - rewards.sum()) > tolerance:
        yield f"episode_returns says {said:.5g}, but its rewards add up to {rewards.sum():.5g}", True
    if record.horizon and abs(normalised * record.horizon - rewards.sum()) > tolerance:
        expected = rewards.sum() / record.horizon
        yield f"norm_episode_returns says {normalised:.5g}, but its rewards make {expected:.5g}", True


def wrong_end(record: Record) -> Wrong:
    """An episode that did not fail goes on to the last step; in the last step either can happen."""
    steps, horizon = len(record.episode), record.horizon
    if horizon is not None and not record.metrics["early_termination"] and steps < horizon:
        yield f"early_termination says that it came to its end, but it has {steps} of {horizon} steps", True


def wrong_actions(record: Record) -> Wrong:
    for name in ("actions", "mean_actions"):
        largest = float(np.abs(getattr(record.episode, name)).max())
        if largest > 1:
            yield (
                f"{name} go up to {largest:.3g}; the simulation executes them clipped to 1: clip them",
                False,
            )


def wrong_advantages(record: Record) -> Wrong:
    episode = record.episode
    off = np.abs(episode.advantages - advantages(episode.rewards, episode.values))
    if off.max() > TOLERANCE * max(1.0, float(np.abs(episode.values).max())):
        yield (
            f"advantages are not the estimates of its rewards and values (gamma {GAMMA}, lambda {LAMBDA}, nothing "
            f"after the last step): they differ by {off.max():.3g} at step {int(off.argmax())}",
            True,
        )


SHAPES = (wrong_arrays,)
NUMBERS = (not_finite,)
CONTENT = (wrong_time, wrong_length, wrong_return, wrong_end, wrong_actions, wrong_advantages)


def check_episode(record: Record) -> Iterator[tuple[str, str, bool]]:
    """(name of the check, what is wrong, whether that is an error). Later stages rely on earlier ones."""
    for stage in (SHAPES, NUMBERS, CONTENT):
        found = [(check.__name__, *wrong) for check in stage for wrong in check(record)]
        yield from found
        if any(error for _, _, error in found):
            return
