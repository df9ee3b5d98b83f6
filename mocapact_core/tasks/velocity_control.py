"""Velocity control: move at a given speed in a given direction of the world, both drawn anew every 10 s.

Source: MoCapAct section 5.1.2 and appendix B.3.2. Its released code
differs (exponent 1, 5 s); this is the paper.
"""

from collections.abc import Sequence

import numpy as np

from mocapact_core.humanoid.observables import PROPRIOCEPTION, torso_velocity
from mocapact_core.humanoid.physics import State
from mocapact_core.tasks.standing import SENSES, StandingTask

EPISODE_STEPS = 2000  # 60 s
STEPS_PER_TARGET = 333  # 10 s
MAX_SPEED = 4.5  # m/s
SPEED_MARGIN = 0.75  # m/s, eta
DIRECTION_EXPONENT = 7  # k
STANDSTILL = 1e-8  # m/s: no direction below

OBSERVED = (*SENSES, "torso_xvel", "torso_yvel", "target_velocity")
"""What the published task shows: 230 numbers. Velocities in the world tell which way the humanoid faces."""


def velocity_reward(velocity: np.ndarray, speed: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(n,) in [0, 1]: exp(-((|v| - s*) / eta)^2) ((1 + cos angle(v, v*)) / 2)^k, appendix B.3.2.

    A humanoid at rest goes in no direction; its second factor is 1, as in the released code.

    Args:
        velocity: (n, 2) horizontal velocity v, m/s.
        speed: (n,) target speed s*, m/s.
        direction: (n,) target direction psi*, radians.
    """
    moving = np.linalg.norm(velocity, axis=1)
    along = velocity[:, 0] * np.cos(direction) + velocity[:, 1] * np.sin(direction)
    cosine = np.where(moving > STANDSTILL, along / np.maximum(moving, STANDSTILL), 1.0)
    return np.exp(-(((moving - speed) / SPEED_MARGIN) ** 2)) * ((1 + cosine) / 2) ** DIRECTION_EXPONENT


class VelocityControlTask(StandingTask):
    """N worlds of velocity control. The velocity is that of the root's centre of mass, with all below it."""

    OBSERVABLES = (*PROPRIOCEPTION, "target_velocity")
    COUNTERS = ("step_in_episode", "speed", "direction")

    def __init__(
        self,
        n_worlds: int,
        observables: Sequence[str] = OBSERVED,
        steps: int = EPISODE_STEPS,
        pose: np.ndarray | None = None,
        n_threads: int = 1,
        seed: int = 0,
    ):
        super().__init__(n_worlds, observables, steps, pose, n_threads, seed)
        self.speed = np.zeros(n_worlds)
        """(n_worlds,) target speed, m/s."""
        self.direction = np.zeros(n_worlds)
        """(n_worlds,) target direction, radians from the x axis."""
        self.reset()

    @property
    def goals(self) -> np.ndarray:
        """(n_worlds, 2) `speed` (m/s) and `direction` (radians)."""
        return np.stack([self.speed, self.direction], axis=1)

    def begin(self, worlds: np.ndarray) -> np.ndarray:
        self.draw_velocities(worlds)
        return np.zeros((len(worlds), 2))

    def move_goals(self, worlds: np.ndarray) -> None:
        self.draw_velocities(worlds[self.steps_with_target(worlds) == 0])

    def reward(self, state: State) -> np.ndarray:
        velocity = torso_velocity(state)[:, :2]
        return velocity_reward(velocity, self.speed[state.worlds], self.direction[state.worlds])

    def observable(self, name: str, state: State) -> np.ndarray:
        """`target_velocity`: (n, 4) speed (m/s), sine and cosine of direction, elapsed part of 10 s."""
        if name == "target_velocity":
            worlds = state.worlds
            direction = self.direction[worlds]
            phase = self.steps_with_target(worlds) / STEPS_PER_TARGET
            return np.stack([self.speed[worlds], np.sin(direction), np.cos(direction), phase], axis=1)
        return super().observable(name, state)

    def steps_with_target(self, worlds: np.ndarray | slice) -> np.ndarray:
        """(n,) steps since the target was drawn."""
        return self.step_in_episode[worlds] % STEPS_PER_TARGET

    def draw_velocities(self, worlds: np.ndarray) -> None:
        for world in worlds:
            self.speed[world] = self.random[world].uniform(0, MAX_SPEED)
            self.direction[world] = self.random[world].uniform(0, 2 * np.pi)
