"""Tracking of reference motion: dm_control's `MultiClipMocapTracking` with the reward `comic`, for many worlds.

Source: Hasenclever et al. (2020), CoMic; MoCapAct section 4.1. Parity with dm_control is tested; the one
difference is `reference_ego_bodies_quats`, which dm_control caches per clip and step counted from the
snippet's start without regard to where that start was; here it is always that of the present frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import layout
from mocapact_core.humanoid.observables import PROPRIOCEPTION, TIME_INDEX
from mocapact_core.humanoid.physics import Physics, State
from mocapact_core.humanoid.rotations import quat_difference, quat_distance
from mocapact_core.tasks.references import Frames, References
from mocapact_core.tasks.task import ALL, Step, Task, Worlds

# ---- Reward and termination. `now` is the reference at the present frame, one frame a world.


def tracking_error(state: State, now: Frames) -> np.ndarray:
    """(n,) half the mean joint error (rad) plus half the mean body position error (m)."""
    joints = np.abs(now.joints - state.joints).mean(axis=1)
    bodies = np.abs(now.body_positions - state.body_positions).mean(axis=(1, 2))
    return 0.5 * joints + 0.5 * bodies


def pose_reward(state: State, now: Frames) -> np.ndarray:
    """(n,) in [0, 1.9]: 0.1 e^(-10 d_com) + e^(-0.1 d_jointvel) + 0.15 e^(-40 d_appendages) + 0.65 e^(-2 d_bodyquat)."""
    com = ((state.center_of_mass - now.center_of_mass) ** 2).sum(axis=1)
    joint_velocities = ((state.joint_velocities - now.joints_velocity) ** 2).sum(axis=1)
    appendages = ((state.appendages - now.appendages) ** 2).sum(axis=(1, 2))
    bodies = (quat_distance(state.body_quaternions, now.body_quaternions) ** 2).sum(axis=1)
    return (
        0.1 * np.exp(-10 * com)
        + np.exp(-0.1 * joint_velocities)
        + 0.15 * np.exp(-40 * appendages)
        + 0.65 * np.exp(-2 * bodies)
    )


def comic_reward(state: State, now: Frames, error: np.ndarray, threshold: float) -> np.ndarray:
    """(n,) at most 1.45: half the distance from termination, half the pose reward."""
    return 0.5 * (1 - error / threshold) + 0.5 * pose_reward(state, now)


# ---- Measures of an evaluation, that no reward depends on


@dataclass(frozen=True)
class Deviation:
    """How far n worlds are from the reference at the present frame."""

    joints: np.ndarray
    """(n, 56) absolute joint angle errors in reference order, radians."""
    bodies: np.ndarray
    """(n,) distance of a body from its place in the reference, mean of the 31 tracked bodies, metres."""
    bodies_from_root: np.ndarray
    """(n,) the same with the root moved, not turned, to where it is in the reference."""


def deviation(state: State, now: Frames) -> Deviation:
    bodies = state.body_positions - now.body_positions
    root = state.root_position - now.position
    return Deviation(
        np.abs(state.joints - now.joints),
        np.linalg.norm(bodies, axis=2).mean(axis=1),
        np.linalg.norm(bodies - root[:, None], axis=2).mean(axis=1),
    )


# ---- Observables. `ahead` is the reference at the coming steps, (n, steps) frames.


def reference_appendages_pos(state: State, ahead: Frames) -> np.ndarray:
    return ahead.appendages


def reference_ego_bodies_quats(state: State, ahead: Frames) -> np.ndarray:
    return quat_difference(ahead.quaternion[:, :, None], ahead.body_quaternions)


def reference_rel_bodies_pos_global(state: State, ahead: Frames) -> np.ndarray:
    return ahead.body_positions - state.body_positions[:, None]


def reference_rel_bodies_pos_local(state: State, ahead: Frames) -> np.ndarray:
    return reference_rel_bodies_pos_global(state, ahead) @ state.root_rotation[:, None]


def reference_rel_bodies_quats(state: State, ahead: Frames) -> np.ndarray:
    return quat_difference(state.body_quaternions[:, None], ahead.body_quaternions)


def reference_rel_joints(state: State, ahead: Frames) -> np.ndarray:
    return (ahead.joints - state.joints[:, None])[..., layout().reference_to_actuator]


def reference_rel_root_pos_local(state: State, ahead: Frames) -> np.ndarray:
    return (ahead.position - state.qpos[:, None, :3]) @ state.root_rotation


def reference_rel_root_quat(state: State, ahead: Frames) -> np.ndarray:
    return quat_difference(state.qpos[:, None, 3:7], ahead.quaternion)


REFERENCE: dict[str, Callable[[State, Frames], np.ndarray]] = {
    function.__name__: function
    for function in (
        reference_appendages_pos,
        reference_ego_bodies_quats,
        reference_rel_bodies_pos_global,
        reference_rel_bodies_pos_local,
        reference_rel_bodies_quats,
        reference_rel_joints,
        reference_rel_root_pos_local,
        reference_rel_root_quat,
    )
}

OBSERVABLES = tuple(sorted((*PROPRIOCEPTION, *REFERENCE, "time_in_clip")))
"""All 35 observables, in the order of the published rollouts: 2868 numbers with 5 reference steps."""

NOT_RECOMPUTABLE = tuple(sorted((*PROPRIOCEPTION, "time_in_clip")))
"""308 of them: the others are functions of these and of the clip."""


class TrackingTask(Task):
    """N worlds, each tracking one of the snippets in `references`.

    Args:
        references: the snippets.
        ref_steps: the future steps that reference observables show.
        start_share: of random starts, how many are at the first step of the snippet instead, in [0, 1].
        min_steps: random starts lie at least this many steps before the end of a snippet, or at its first
            step where it has not as many.
        termination_error: an episode fails when `tracking_error` exceeds this.
        physics: worlds to use, as many as `n_worlds`, instead of new ones.

    An episode ends regularly `max(ref_steps)` frames before the end of its snippet, as far as the
    observables can see.
    """

    OBSERVABLES = OBSERVABLES
    COUNTERS = ("snippet", "step_in_snippet", "error")

    def __init__(
        self,
        references: References,
        n_worlds: int,
        observables: Sequence[str] = TIME_INDEX,
        ref_steps: Sequence[int] = (1, 2, 3, 4, 5),
        *,
        min_steps: int = 10,
        start_share: float = 0.0,
        termination_error: float = 0.3,
        n_threads: int = 1,
        seed: int = 0,
        physics: Physics | None = None,
    ):
        super().__init__(n_worlds, observables, n_threads, seed, physics)
        self.references = references
        self.ref_steps = np.sort(np.asarray(ref_steps))
        self.start_share, self.termination_error = start_share, termination_error
        self.last_steps = references.lengths - 1 - self.ref_steps[-1]
        """(snippets,) the step at which an episode on each snippet ends regularly."""
        if (self.last_steps < 1).any():
            shortest = int(references.lengths.min()) - 1
            raise InputError(
                f"A snippet of {shortest} steps is too short: the reference horizon of "
                f"{self.ref_steps[-1]} steps leaves nothing to track. Leave the clip out of clips.subset."
            )
        self.n_starts = np.maximum(1, self.last_steps - min_steps)
        """(snippets,) the steps of each snippet that a random episode may start at: 0 to n_starts - 1."""
        self.snippet = np.zeros(n_worlds, int)
        self.step_in_snippet = np.zeros(n_worlds, int)
        self.error = np.zeros(n_worlds)
        self.start(np.arange(n_worlds), self.snippet, self.step_in_snippet)

    def reset(self, worlds: Worlds = ALL) -> None:
        """Reference state initialisation: any allowed step of any snippet, all equally likely."""
        worlds = np.arange(self.n_worlds)[worlds]
        ends = np.cumsum(self.n_starts)
        draw = self.rng.integers(ends[-1], size=len(worlds))
        snippets = np.searchsorted(ends, draw, side="right")
        steps = draw - (ends - self.n_starts)[snippets]
        if self.start_share:
            steps[self.rng.random(len(worlds)) < self.start_share] = 0
        self.start(worlds, snippets, steps)

    def start(self, worlds: Worlds, snippets: np.ndarray, steps: np.ndarray) -> None:
        """Begin episodes at given steps (n,) of given snippets (n,), counted from the snippet's start."""
        worlds = np.arange(self.n_worlds)[worlds]
        self.snippet[worlds], self.step_in_snippet[worlds] = snippets, steps
        rows = self._rows(worlds)
        self.physics.place(worlds, self.references.qpos[rows], self.references.qvel[rows])
        self.error[worlds] = tracking_error(self.physics.state(worlds), self.references.at(rows))

    def after_step(self, state: State) -> Step:
        worlds = state.worlds
        self.step_in_snippet[worlds] += 1
        now = self.references.at(self._rows(worlds))
        error = tracking_error(state, now)
        reward = comic_reward(state, now, error, self.termination_error)
        self.error[worlds] = error
        terminated = error > self.termination_error
        finished = self.step_in_snippet[worlds] >= self.last_steps[self.snippet[worlds]]
        return Step(reward, terminated, finished & ~terminated)

    def observable(self, name: str, state: State) -> np.ndarray:
        if name == "time_in_clip":
            duration = self.references.lengths[self.snippet[state.worlds]] - 1
            return (self.step_in_snippet[state.worlds] / duration)[:, None]
        if name in REFERENCE:
            ahead = self.references.at(self._rows(state.worlds)[:, None] + self.ref_steps)
            return REFERENCE[name](state, ahead).reshape(state.n, -1)
        return super().observable(name, state)

    def deviation(self, worlds: Worlds = ALL) -> Deviation:
        """How far some worlds are from the reference at their present frame."""
        return deviation(self.physics.state(worlds), self.references.at(self._rows(worlds)))

    def _rows(self, worlds: Worlds) -> np.ndarray:
        return self.references.offsets[self.snippet[worlds]] + self.step_in_snippet[worlds]
