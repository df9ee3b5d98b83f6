"""The teacher and the returns that a warm start is fitted to."""

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.experts.feedforward import feedforward
from mocapact_core.experts.warm_start import Teacher, discounted_returns
from mocapact_core.tasks.episodes import random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask


def test_discounted_returns_stop_at_the_end_of_an_episode():
    rewards = np.arange(1.0, 13.0).reshape(6, 2)
    dones = np.zeros((6, 2), bool)
    dones[2, 0] = True
    expected = np.zeros_like(rewards)
    for world in range(2):
        for start in range(6):
            weight = 1.0
            for t in range(start, 6):
                expected[start, world] += weight * rewards[t, world]
                weight *= 0.9
                if dones[t, world]:
                    break
    np.testing.assert_allclose(discounted_returns(rewards, dones, 0.9), expected)


@pytest.fixture(scope="module")
def wave():
    trajectory = builtin_trajectory("wave")
    return trajectory, feedforward(trajectory)


def test_the_teacher_is_the_feedforward_on_the_reference(wave):
    trajectory, actions = wave
    task = TrackingTask(References([trajectory]), 3)
    task.start(slice(None), np.zeros(3, int), np.array([0, 10, 40]))
    np.testing.assert_allclose(Teacher(task, actions).actions(), actions[[0, 10, 40]], atol=1e-9)


def test_feedback_makes_up_for_noise(wave):
    """The teacher tracks at least as long as the feed-forward alone, and at more reward."""
    trajectory, actions = wave
    task = TrackingTask(References([trajectory]), 16)
    teacher = Teacher(task, actions)
    starts = random_starts(task, 16, 30, seed=0)
    policies = {
        "feedforward": lambda observation, state, fresh: (actions[task.step_in_snippet], None),
        "teacher": lambda observation, state, fresh: (teacher.actions(), None),
    }
    episodes = {name: run_episodes(task, *starts, policy, noise=0.1) for name, policy in policies.items()}
    returns = {name: result.normalized_returns.mean() for name, result in episodes.items()}
    assert returns["teacher"] > returns["feedforward"] + 0.05
