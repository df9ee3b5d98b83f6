"""Whole episodes of a task, acted without noise: to count what they earn, or to watch one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from stable_baselines3 import PPO

from mocapact_core.envs import as_dict
from mocapact_core.humanoid.observables import BASE
from mocapact_core.policies.checkpoint import normalizer_of
from mocapact_core.tasks.standing import StandingTask
from mocapact_core.transfer.environment import LowLevel

Act = Callable[[np.ndarray], np.ndarray]
"""The humanoid's actions (n, 56) for observations (n, D) of the task."""


@dataclass(frozen=True)
class Episodes:
    """What came of E episodes, in the order of their seeds."""

    returns: np.ndarray
    """(E,) sum of rewards."""
    lengths: np.ndarray
    """(E,) steps."""
    fallen: np.ndarray
    """(E,) bool: ended by a fall rather than by time."""


@dataclass(frozen=True)
class Playback:
    """One episode of T steps, to be watched."""

    qpos: np.ndarray
    """(T + 1, 63) poses in MuJoCo's order (m, rad), from the first to that after the last step."""
    goals: np.ndarray
    """(T + 1, 2) what was asked for at each pose: go_to_target: place of the target on the floor, x and y (m);
    velocity_control: speed (m/s) and direction (radians from the x axis)."""
    rewards: np.ndarray
    """(T,)"""
    fallen: bool
    """Whether it ended by a fall rather than by time."""


def actor(model: PPO, low_level: LowLevel, task: StandingTask) -> Act:
    """The task policy's mean action, through the low-level policy."""
    normalizer = normalizer_of(model)
    proprioception = task.columns_of(BASE)

    def act(observation: np.ndarray) -> np.ndarray:
        inputs = normalizer.normalize_obs(as_dict(task, observation))
        action, _ = model.predict(inputs, deterministic=True)  # type: ignore[arg-type]
        return low_level.act(observation[:, proprioception], action)

    return act


def run_episodes(task: StandingTask, act: Act, seeds: Sequence[int] | np.ndarray) -> Episodes:
    """One whole episode in each world: that of the i-th seed in world i."""
    n = task.n_worlds
    returns, lengths, fallen = np.zeros(n), np.zeros(n, int), np.zeros(n, bool)
    running = np.arange(n)
    task.start(running, seeds)
    while running.size:
        step = task.step(act(task.observe(running)), running)
        returns[running] += step.reward
        lengths[running] += 1
        fallen[running] = step.terminated
        running = running[~step.done]
    return Episodes(returns, lengths, fallen)


def play(task: StandingTask, act: Act, seed: int) -> Playback:
    """The episode of a seed in the first world, step by step."""
    first = np.zeros(1, int)
    task.start(first, [seed])
    poses, goals, rewards = [task.physics.qpos[0].copy()], [task.goals[0].copy()], []
    ended = fallen = False
    while not ended:
        step = task.step(act(task.observe(first)), first)
        poses.append(task.physics.qpos[0].copy())
        goals.append(task.goals[0].copy())
        rewards.append(float(step.reward[0]))
        ended, fallen = bool(step.done[0]), bool(step.terminated[0])
    return Playback(np.array(poses), np.array(goals), np.array(rewards), fallen)
