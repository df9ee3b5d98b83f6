"""The environments: gymnasium's and stable-baselines3's own checkers, and both against the task itself."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as check_sb3

from mocapact_core.clips.builtin import BUILTIN, builtin_trajectory
from mocapact_core.envs import MocapTrackingEnv, TaskEnv, TaskVecEnv
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.tasks.go_to_target import GoToTargetTask
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask
from mocapact_core.tasks.velocity_control import VelocityControlTask


def tracking_task(n_worlds, **options):
    return TrackingTask(References([builtin_trajectory("wave")]), n_worlds, **options)


@pytest.mark.parametrize("name", ["MocapTracking-v0", "GoToTarget-v0", "VelocityControl-v0"])
def test_registered_environments_pass_the_checkers(name):
    env = gymnasium.make(name).unwrapped
    check_gymnasium(env, skip_render_check=True)
    check_sb3(env)


@pytest.mark.parametrize("name", ["MocapTracking-v0", "GoToTarget-v0", "VelocityControl-v0"])
def test_make_vec_steps_the_worlds_together(name):
    """Many worlds are those of one task; ended ones begin anew in the same step, as gymnasium's own do."""
    env = gymnasium.make_vec(name, num_envs=3)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observation, _ = env.reset(seed=7)
    again, _ = env.reset(seed=7)
    np.testing.assert_array_equal(joined(observation), joined(again))
    assert env.observation_space.contains(observation)
    plain = gymnasium.make_vec(name, num_envs=3).unwrapped.worlds
    plain.seed(7)
    plain.reset()
    rng, n_ended = np.random.default_rng(0), 0
    for _ in range(40):
        actions = rng.uniform(-1, 1, (3, 56)).astype(np.float32)
        assert env.action_space.contains(actions)
        observation, rewards, terminated, truncated, info = env.step(actions)
        expected, their_rewards, done, infos = plain.step(actions)
        np.testing.assert_array_equal(joined(observation), joined(expected))
        np.testing.assert_array_equal(rewards, their_rewards)
        np.testing.assert_array_equal(terminated | truncated, done)
        for world in np.flatnonzero(done):
            assert info["_final_obs"][world] and truncated[world] == infos[world]["TimeLimit.truncated"]
            np.testing.assert_array_equal(
                joined(info["final_obs"][world]), joined(infos[world]["terminal_observation"])
            )
            assert info["final_info"]["return"][world] == infos[world]["episode"]["r"]
            n_ended += 1
    assert n_ended > 3


def test_environments_of_files_and_snippets(builtin_motion):
    env = MocapTrackingEnv(builtin_motion, snippets=["wave-10-80", "march"])
    assert env.task.references.lengths.tolist() == [71, BUILTIN["march"] + 1]
    observation, _ = env.reset(options={"snippet": 1, "step": 11})
    assert observation["walker/time_in_clip"] == pytest.approx(11 / BUILTIN["march"])
    with pytest.raises(InputError, match="wavy"):
        MocapTrackingEnv(builtin_motion, snippets=["wavy-0-10"])


@pytest.mark.parametrize("options", [{"snippet": 2}, {"snippet": 1, "step": 85}, {"step": -1}, {"step": 500}])
def test_a_start_outside_the_snippets_is_refused(options):
    env = MocapTrackingEnv(snippets=["wave", "march"])
    with pytest.raises(InputError, match="2 snippets, with steps from 0 to 84, 84"):
        env.reset(options=options)


def test_a_snippet_that_ends_after_its_clip_is_refused(builtin_motion):
    for motion in (None, builtin_motion):
        with pytest.raises(InputError, match=f"wave-0-9999 .* {BUILTIN['wave']} steps"):
            MocapTrackingEnv(motion, snippets=["wave-0-9999"])


def test_observations_keep_the_feature_order_of_policies():
    env = TaskEnv(tracking_task(1))
    assert list(env.observation_space.spaces) == [f"walker/{name}" for name in TIME_INDEX]
    assert sum(space.shape[0] for space in env.observation_space.spaces.values()) == 206


def test_one_world_is_asked_for_by_gymnasium():
    with pytest.raises(ValueError, match="TaskVecEnv"):
        TaskEnv(tracking_task(2))


def test_vec_env_is_the_task_with_resets():
    """Worlds that end are reset at once, and their last observation is in the info."""
    task, plain = (tracking_task(3, seed=5) for _ in range(2))
    env = TaskVecEnv(task)
    first = env.reset()
    plain.reset()
    np.testing.assert_array_equal(joined(first), plain.observe())
    rng = np.random.default_rng(0)
    n_ends, returns = 0, np.zeros(3)
    for _ in range(60):
        actions = rng.uniform(-1, 1, (3, 56)).astype(np.float32)
        observation, reward, done, infos = env.step(actions)
        step = plain.step(actions)
        last = plain.observe()
        np.testing.assert_array_equal(reward, step.reward.astype(np.float32))
        np.testing.assert_array_equal(done, step.done)
        returns += step.reward
        for world in np.flatnonzero(done):
            np.testing.assert_array_equal(joined(infos[world]["terminal_observation"]), last[world])
            assert infos[world]["episode"]["r"] == pytest.approx(returns[world])
            assert infos[world]["TimeLimit.truncated"] == step.truncated[world]
            returns[world], n_ends = 0, n_ends + 1
        if done.any():
            plain.reset(np.flatnonzero(done))
        np.testing.assert_array_equal(joined(observation), plain.observe())
    assert n_ends > 3


def test_the_end_of_a_snippet_is_no_time_limit_for_experts():
    """MoCapAct's experts take the value at the end of their snippet as 0."""
    for bootstrap in (False, True):
        task = tracking_task(1, termination_error=100.0)  # nothing fails
        env = TaskVecEnv(task, bootstrap_at_end=bootstrap)
        env.reset()
        task.start(slice(None), np.array([0]), task.last_steps - 1)
        _, _, done, infos = env.step(np.zeros((1, 56), np.float32))
        assert done[0] and infos[0]["TimeLimit.truncated"] == bootstrap


def test_ppo_learns_on_it():
    env = TaskVecEnv(tracking_task(4))
    model = PPO("MultiInputPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = model.policy.action_net.weight.detach().clone()
    model.learn(32)
    assert (model.policy.action_net.weight != before).any()


@pytest.mark.parametrize("task", [GoToTargetTask, VelocityControlTask])
def test_other_tasks_make_environments_too(task):
    env = TaskEnv(task(1))
    observation, _ = env.reset(seed=3)
    again, _ = env.reset(seed=3)
    np.testing.assert_array_equal(joined(observation), joined(again))


def joined(observation):
    return np.concatenate(list(observation.values()), axis=-1)


@pytest.mark.parametrize("make", [tracking_task, GoToTargetTask, VelocityControlTask])
def test_worlds_go_on_from_a_snapshot_to_the_bit(make):
    """In other worlds, which were somewhere else, over ends of episodes and new ones."""
    env, other = TaskVecEnv(make(3, seed=1)), TaskVecEnv(make(3, seed=2))
    rng = np.random.default_rng(0)
    env.reset(), other.reset()
    ended = [0, 0]
    for step in range(120):
        if step == 60:
            other.restore(env.snapshot())
        actions = rng.uniform(-1, 1, (3, 56)).astype(np.float32)
        observation, rewards, dones, infos = env.step(actions)
        if step < 60:
            other.step(-actions)
        else:
            same_observation, same_rewards, same_dones, same_infos = other.step(actions)
            for name, values in observation.items():
                np.testing.assert_array_equal(values, same_observation[name], err_msg=name)
            np.testing.assert_array_equal(rewards, same_rewards)
            np.testing.assert_array_equal(dones, same_dones)
            assert [i.get("episode") for i in infos] == [i.get("episode") for i in same_infos]
        ended[step // 60] += dones.sum()
    assert min(ended) > 0


def test_an_episode_whose_simulation_diverges_has_failed():
    """MuJoCo goes on in its default pose without a word; here that is a failure without reward, and a new episode."""
    env = TaskVecEnv(tracking_task(3, seed=1))
    env.reset()
    env.step(np.zeros((3, 56)))
    env.task.physics.qvel[1, 20] = np.nan
    observation, rewards, dones, infos = env.step(np.zeros((3, 56)))
    assert dones[1] and rewards[1] == 0 and infos[1]["TimeLimit.truncated"] is False
    assert all(np.isfinite(values).all() for values in observation.values())
    assert rewards[0] > 0 and rewards[2] > 0 and not dones[[0, 2]].any()
    assert not env.step(np.zeros((3, 56)))[2][1]  # the new episode is sound
