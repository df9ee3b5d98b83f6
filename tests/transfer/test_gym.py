"""Gymnasium's environments of the new tasks with a low-level policy, against the decoder and the task themselves."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

import mocapact_core.envs  # noqa: F401 - registers them
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import BASE
from mocapact_core.transfer.environment import make_task

NAMES = {"GoToTarget-v0": "go_to_target", "VelocityControl-v0": "velocity_control"}


@pytest.mark.parametrize("name", NAMES)
def test_passes_the_checkers(name, policy_folder):
    env = gymnasium.make(name, low_level=policy_folder).unwrapped
    check_gymnasium(env, skip_render_check=True)
    check_sb3(env)
    assert env.action_space.shape == (5,) and (env.action_space.high == 3).all()
    other = gymnasium.make(name, low_level=policy_folder, max_action=2.0)
    assert (other.action_space.low == -2).all()


@pytest.mark.parametrize("name", NAMES)
def test_acts_through_the_decoder(name, policy_folder, decoder):
    """One world, and one of many: what the task does with the decoder's actions."""
    env = gymnasium.make(name, low_level=policy_folder)
    many = gymnasium.make_vec(name, num_envs=1, low_level=policy_folder)
    task = make_task(NAMES[name], 1)
    task.rng = np.random.default_rng(3)
    task.reset()
    seen, _ = env.reset(seed=3)
    all_seen, _ = many.reset(seed=3)
    rng = np.random.default_rng(0)
    ended = False
    while not ended:
        np.testing.assert_array_equal(joined(seen), task.observe()[0])
        np.testing.assert_array_equal(joined(all_seen)[0], task.observe()[0])
        intention = rng.uniform(-3, 3, (1, 5)).astype(np.float32)
        step = task.step(decoder.act(task.observe()[:, task.columns_of(BASE)], intention))
        last = task.observe()[0]
        seen, reward, terminated, truncated, _ = env.step(intention[0])
        all_seen, rewards, all_terminated, all_truncated, told = many.step(intention)
        # The decoder rounds a little differently in oneDNN.
        assert reward == pytest.approx(step.reward[0], abs=1e-4)
        assert rewards[0] == np.float32(reward)
        assert (terminated, truncated) == (bool(step.terminated[0]), bool(step.truncated[0]))
        assert (terminated, truncated) == (all_terminated[0], all_truncated[0])
        np.testing.assert_allclose(joined(seen), last, atol=1e-2)
        follow(task, env)
        ended = terminated or truncated
    np.testing.assert_array_equal(joined(told["final_obs"][0]), joined(seen))


def follow(task, env):
    """Put the task where the environment is: rounding must not add up."""
    task.restore(env.unwrapped.task.snapshot())


def joined(observation):
    return np.concatenate([np.asarray(values) for values in observation.values()], axis=-1)


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(InputError, match="no policy"):
        gymnasium.make("GoToTarget-v0", low_level=tmp_path)
