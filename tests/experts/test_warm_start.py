"""The teacher's controls, and the returns that a warm start is fitted to."""

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.experts.controls import Controls, inverse_dynamics
from mocapact_core.experts.sampling import SPREADS, offset_spread, sampled_controls
from mocapact_core.experts.warm_start import discounted_returns
from mocapact_core.humanoid.model import load_model
from mocapact_core.tasks.episodes import random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

REF_STEPS = [1, 2, 3, 4, 5]


def test_discounted_returns_stop_at_the_end_of_an_episode():
    rewards = np.arange(1.0, 13.0).reshape(6, 2)
    dones = np.zeros((6, 2), bool)
    dones[2, 0] = True
    following = np.array([5.0, 7.0])
    expected = np.zeros_like(rewards)
    for world in range(2):
        for start in range(6):
            weight = 1.0
            for t in range(start, 6):
                expected[start, world] += weight * rewards[t, world]
                weight *= 0.9
                if dones[t, world]:
                    break
            else:
                expected[start, world] += weight * following[world]
    np.testing.assert_allclose(discounted_returns(rewards, dones, 0.9, following), expected)


@pytest.fixture(scope="module")
def wave():
    trajectory = builtin_trajectory("wave")
    return trajectory, inverse_dynamics(trajectory)


def test_on_its_motion_a_teacher_acts_as_its_controls_say(wave):
    trajectory, controls = wave
    task, frames = TrackingTask(References([trajectory]), 3), np.array([0, 10, 40])
    task.start(slice(None), np.zeros(3, int), frames)
    np.testing.assert_allclose(
        controls.act(task.physics.state(), frames), controls.actions[frames], atol=1e-9
    )


def test_feedback_makes_up_for_noise(wave):
    """The teacher tracks at least as long as its actions alone, and at more reward."""
    trajectory, controls = wave
    task = TrackingTask(References([trajectory]), 16)
    starts = random_starts(task, 16, 30, seed=0)
    policies = {
        "actions": lambda *_: (controls.actions[task.step_in_snippet], None),
        "teacher": lambda *_: (controls.act(task.physics.state(), task.step_in_snippet), None),
    }
    episodes = {name: run_episodes(task, *starts, policy, noise=0.1) for name, policy in policies.items()}
    returns = {name: result.normalized_returns.mean() for name, result in episodes.items()}
    assert returns["teacher"] > returns["actions"] + 0.05


@pytest.fixture(scope="module")
def march():
    trajectory = builtin_trajectory("march").segment(0, 45)
    return trajectory, sampled_controls(trajectory, REF_STEPS, seed=0, n_samples=96)


def follow(trajectory, controls: Controls):
    """Rewards of the bare actions from the start, and the joint angles before each."""
    task = TrackingTask(References([trajectory]), 1, ref_steps=REF_STEPS)
    rewards, joints, done = [], [], False
    while not done:
        joints.append(task.physics.state().joints[0])
        step = task.step(controls.actions[task.step_in_snippet])
        rewards.append(step.reward[0])
        done = step.done[0]
    return np.array(rewards), np.array(joints)


def test_sampled_controls_make_the_motion_that_they_say(march):
    """Played back in a world of its own, without feedback, the actions lead through the very same states."""
    trajectory, controls = march
    assert controls.actions.shape == controls.joints.shape == (len(trajectory), 56)
    rewards, joints = follow(trajectory, controls)
    assert len(rewards) == 40
    np.testing.assert_array_equal(joints, controls.joints[:40])


def test_sampling_improves_on_inverse_dynamics(march):
    trajectory, controls = march
    before, _ = follow(trajectory, inverse_dynamics(trajectory))
    after, _ = follow(trajectory, controls)
    assert after.sum() > before.sum() + 1


def test_the_same_seed_samples_the_same(march):
    trajectory, controls = march
    again = sampled_controls(trajectory, REF_STEPS, seed=0, n_threads=2, n_samples=96)
    np.testing.assert_array_equal(controls.actions, again.actions)


def test_legs_and_lower_back_are_tried_most():
    model, spread = load_model(), offset_spread()
    for i in range(model.nu):
        expected = [value for part, value in SPREADS.items() if part in model.actuator(i).name]
        assert spread[i] == (expected[0] if expected else 0.02)
