"""Controls that carry the simulated humanoid along a clip, found by sampling (Liu et al., 2010, SAMCON).

Inverse dynamics asks for actions on the reference itself. The humanoid is never quite there: contacts come early or
late, actuators start at rest, and what is missing adds up until it falls. Here many worlds try small offsets of these
actions over a few steps, the best go on, and so forth to the end. What remains is a motion that the simulator really
makes, close to the reference, and the actions that make it.
"""

from dataclasses import dataclass

import numpy as np

from mocapact_core.clips.trajectory import Trajectory
from mocapact_core.experts.controls import Controls, inverse_dynamics
from mocapact_core.humanoid.model import JOINTS, layout
from mocapact_core.humanoid.physics import State
from mocapact_core.humanoid.rotations import quat_distance
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

WINDOW = 4  # control steps between two choices
SAMPLES = 1536  # worlds
ELITES = 192  # worlds that go on
SPREADS = {"femur": 0.2, "foot": 0.2, "tibia": 0.12, "lowerback": 0.12}
"""Standard deviation of the offsets of these joints, in units of action."""
OTHER_SPREAD = 0.02  # of all other joints
CAREFUL = 0.3  # the share of its offsets that the first trial from each elite keeps
PAST_WEIGHT = 0.3  # of the cost so far against the present one
FADING = 0.7  # of the cost so far, from one choice to the next


def sampled_controls(
    trajectory: Trajectory, ref_steps: list[int], seed: int, n_threads: int = 1, n_samples: int = SAMPLES
) -> Controls:
    """Controls from the start of a snippet to its end, or as far as the sampling keeps track of it.

    Beyond, they are those of inverse dynamics.

    Args:
        trajectory: the snippet.
        ref_steps: of the tracking task, which ends that much earlier.
        n_samples: worlds; with fewer it is quicker and loses track earlier.
    """
    task = TrackingTask(References([trajectory]), n_samples, ref_steps=ref_steps, n_threads=n_threads)
    search = Search(task, inverse_dynamics(trajectory), seed)
    while search.frame < task.last_steps[0] and search.on_track:
        search.advance(min(WINDOW, task.last_steps[0] - search.frame))
    return search.best()


@dataclass(frozen=True)
class Window:
    """What was tried between two choices."""

    parents: np.ndarray
    """(n_samples,) the world of the window before that each one went on from."""
    actions: np.ndarray
    """(steps, n_samples, 56)"""
    joints: np.ndarray
    """(steps, n_samples, 56) before each action."""
    joint_velocities: np.ndarray
    """(steps, n_samples, 56)"""


class Search:
    """The worlds, how they came to where they are, and which of them are the best."""

    def __init__(self, task: TrackingTask, controls: Controls, seed: int):
        self.task, self.controls = task, controls
        self.rng = np.random.default_rng(seed)
        self.spread = offset_spread()
        self.n_elites = max(1, task.n_worlds * ELITES // SAMPLES)
        self.frame = 0
        self.windows: list[Window] = []
        self.elites = np.arange(self.n_elites)
        self.past = np.zeros(task.n_worlds)
        everywhere = np.zeros(task.n_worlds, int)
        task.start(slice(None), everywhere, everywhere)

    @property
    def on_track(self) -> bool:
        """Whether the best world is still within the termination error."""
        return bool(self.task.error[self.elites[0]] <= self.task.termination_error)

    def advance(self, steps: int) -> None:
        """Try offsets from the elites for some control steps, and choose new elites."""
        physics, n = self.task.physics, self.task.n_worlds
        parents = self.elites[self.rng.integers(self.n_elites, size=n)]
        parents[: self.n_elites] = self.elites
        physics.restore(physics.snapshot(), parents)
        past = FADING * self.past[parents]
        offsets = self.spread * self.rng.standard_normal((n, len(self.spread)))
        offsets[: self.n_elites] *= CAREFUL
        tried: list[tuple[np.ndarray, ...]] = []
        for frame in range(self.frame, self.frame + steps):
            state = physics.state()
            actions = self.controls.act(state, np.full(n, frame)) + offsets
            tried.append((np.clip(actions, -1, 1), state.joints, state.joint_velocities))
            self.task.step(tried[-1][0])
        self.frame += steps
        self.windows.append(Window(parents, *map(np.array, zip(*tried, strict=True))))
        present = cost(self.task, physics.state(), self.frame)
        self.elites = np.argsort(present + PAST_WEIGHT * past, kind="stable")[: self.n_elites]
        self.past = past + present

    def best(self) -> Controls:
        """The way of the best world, followed back to the start."""
        world = self.elites[0]
        parts = []
        for window in reversed(self.windows):
            parts.append(
                (window.actions[:, world], window.joints[:, world], window.joint_velocities[:, world])
            )
            world = window.parents[world]
        found = [np.concatenate(part[::-1]) for part in zip(*parts, strict=True)]
        rest = (self.controls.actions, self.controls.joints, self.controls.joint_velocities)
        return Controls(
            *(np.concatenate([new, old[len(new) :]]) for new, old in zip(found, rest, strict=True))
        )


def cost(task: TrackingTask, state: State, frame: int) -> np.ndarray:
    """(n,) how far states are from the reference at a frame. Where the body as a whole goes counts most."""
    now, qvel = task.references.at(np.full(state.n, frame)), task.references.qvel[frame]
    feet = [layout().body_names.index(name) for name in ("lfoot", "rfoot")]
    return (
        30 * _squares(state.center_of_mass - now.center_of_mass)
        + 24 * quat_distance(state.qpos[:, 3:7], now.quaternion) ** 2
        + _squares(state.qvel[:, :3] - qvel[:3])
        + 0.1 * _squares(state.qvel[:, 3:6] - qvel[3:6])
        + 5 * _squares(state.appendages - now.appendages)
        + 8 * _squares(state.body_positions[:, feet] - now.body_positions[:, feet])
        + 3 * np.abs(state.joints - now.joints).mean(axis=1)
    )


def offset_spread() -> np.ndarray:
    """(56,) standard deviation of the offsets, in actuator order."""
    names = [JOINTS[i] for i in layout().reference_to_actuator]
    return np.array(
        [next((spread for part, spread in SPREADS.items() if part in name), OTHER_SPREAD) for name in names]
    )


def _squares(difference: np.ndarray) -> np.ndarray:
    return (difference**2).reshape(len(difference), -1).sum(axis=1)
