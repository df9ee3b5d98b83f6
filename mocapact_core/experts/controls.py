"""What a teacher knows of a clip: actions along it, and the motion that they are meant to make."""

from dataclasses import dataclass, field, replace

import numpy as np

from mocapact_core.clips.trajectory import Trajectory
from mocapact_core.experts.balance import Balance, balance
from mocapact_core.experts.feedforward import feedforward
from mocapact_core.humanoid.model import layout
from mocapact_core.humanoid.physics import State

STIFFNESS = 1.5  # radians of joint target a radian of joint error
DAMPING = 0.06  # radians of joint target a radian per second of joint velocity error


@dataclass(frozen=True)
class Controls:
    """Actions and motion, frame by frame from the start of a snippet."""

    actions: np.ndarray
    """(T, 56) in actuator order: row t is for the control step from frame t to t + 1."""
    joints: np.ndarray
    """(T, 56) joint angles at the frames, in reference order, radians."""
    joint_velocities: np.ndarray
    """(T, 56)"""
    balance: Balance | None = field(default=None, kw_only=True)
    """Feedback of the centre of mass, where there is one."""

    def act(self, state: State, frames: np.ndarray) -> np.ndarray:
        """(n, 56) actions in [-1, 1] for n states at these frames (n,): those of the frame, and feedback."""
        correction = STIFFNESS * (self.joints[frames] - state.joints) + DAMPING * (
            self.joint_velocities[frames] - state.joint_velocities
        )
        low, high = layout().joint_range.T
        in_actions = (correction * 2 / (high - low))[:, layout().reference_to_actuator]
        actions = self.actions[frames] + in_actions
        if self.balance:
            actions = actions + self.balance.act(state, frames)
        return np.clip(actions, -1, 1)


def inverse_dynamics(trajectory: Trajectory) -> Controls:
    """The actions that inverse dynamics asks for, and the reference itself as the motion."""
    return Controls(feedforward(trajectory), trajectory.joints, trajectory.joints_velocity)


def balanced(trajectory: Trajectory) -> Controls:
    """The same, with feedback of the centre of mass."""
    return replace(inverse_dynamics(trajectory), balance=balance(trajectory))
