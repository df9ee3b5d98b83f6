"""Evaluation of task policies against episodes run one by one in the VecEnv they were trained in."""

import json

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.settings import TransferSettings
from mocapact_core.tasks.standing import stand_pose
from mocapact_core.transfer.environment import LowLevel, make_task
from mocapact_core.transfer.episodes import play, run_episodes
from mocapact_core.transfer.evaluate import evaluate_transfer, load_model, playback
from mocapact_core.transfer.train import train_transfer


@pytest.fixture
def trained(tmp_path, general, policy_folder, settings):
    train_transfer("velocity_control", general, policy_folder, tmp_path / "run", settings, seed=0)
    return tmp_path / "run"


def test_same_as_stable_baselines3s_own_way(trained, general, policy_folder, settings, tmp_path):
    arguments = general, policy_folder, trained
    evaluate_transfer("velocity_control", *arguments, tmp_path / "evaluation.json", settings, seed=0)
    result = json.loads((tmp_path / "evaluation.json").read_text())
    assert result["provenance"]["inputs"]["best_model.zip"] == sha256(trained / "best_model.zip")
    low_level = LowLevel.load(policy_folder)
    model = load_model(trained, "velocity_control", low_level, general, settings)
    env = model.get_vec_normalize_env()
    assert env.training is False
    env.norm_reward = False
    for seed in range(settings.evaluation_episodes):
        env.reset()
        env.venv.venv.task.start(np.array([0]), [seed])
        raw = env.venv._sense({f"walker/{k}": v for k, v in columns(env.venv.venv.task).items()})
        observation, rewards, done = env.normalize_obs(raw), [], False
        while not done:
            observation, reward, dones, _ = env.step(model.predict(observation, deterministic=True)[0])
            rewards.append(float(reward[0]))
            done = dones[0]
        assert result["lengths"][seed] == len(rewards)
        assert result["returns"][seed] == pytest.approx(sum(rewards), rel=1e-4)
    assert result["episodes"] == len(result["returns"]) == 3
    assert result["mean_return"] == pytest.approx(np.mean(result["returns"]))
    assert result["std_return"] == pytest.approx(np.std(result["returns"]))
    assert result["mean_length"] == pytest.approx(np.mean(result["lengths"]))
    assert result["fallen"] == 1
    for name in ("return", "length"):
        low, high = result[f"{name}_interval"]
        # Of three episodes the bootstrap's extremes are the means of the worst and of the best alone.
        extremes = min(result[f"{name}s"]), max(result[f"{name}s"])
        assert (low, high) == pytest.approx(extremes) and low <= result[f"mean_{name}"] <= high


def columns(task):
    observation = task.observe()
    return {name: observation[:, part] for name, part in task.columns.items()}


def test_every_episode_counts_once_whole():
    """Worlds end at different times; those that go on are not disturbed by those that ended."""
    weights = np.random.default_rng(0).normal(size=(56, 227)) / 8

    def act(observation):
        return np.stack([np.tanh(weights @ row) for row in observation])

    together = run_episodes(make_task("go_to_target", 4), act, [0, 1, 2, 3])
    assert len(set(together.lengths.tolist())) > 1 and together.fallen.all()
    for seed in range(4):
        alone = make_task("go_to_target", 1)
        alone.start(np.array([0]), [seed])
        steps = [alone.step(act(alone.observe()))]
        while not steps[-1].done[0]:
            steps.append(alone.step(act(alone.observe())))
        assert together.lengths[seed] == len(steps)
        assert together.returns[seed] == sum(step.reward[0] for step in steps)


def test_ends_by_time_are_no_falls():
    task = make_task("velocity_control", 2)
    task.steps = 5
    episodes = run_episodes(task, lambda observation: np.zeros((len(observation), 56)), [0, 1])
    assert episodes.lengths.tolist() == [5, 5] and not episodes.fallen.any()


@pytest.mark.parametrize("seed", [0, 2])
def test_playback_is_an_evaluated_episode(seed, trained, general, policy_folder, settings, tmp_path):
    """The same rewards, recomputed from the velocities and goals that are shown; poses begin at the stand."""
    arguments = "velocity_control", general, policy_folder, trained
    evaluate_transfer(*arguments, tmp_path / "evaluation.json", settings, seed=0)
    result = json.loads((tmp_path / "evaluation.json").read_text())
    shown = playback(*arguments, settings, seed)
    assert len(shown.rewards) == result["lengths"][seed] == len(shown.qpos) - 1 == len(shown.goals) - 1
    assert shown.rewards.sum() == pytest.approx(result["returns"][seed], rel=1e-5)
    assert shown.fallen
    np.testing.assert_array_equal(shown.qpos[0], stand_pose())
    task = make_task("velocity_control", 1)
    task.start(np.array([0]), [seed])
    np.testing.assert_array_equal(
        shown.goals, np.tile([task.speed[0], task.direction[0]], (len(shown.goals), 1))
    )


def test_playback_begins_in_the_stand_that_is_named(trained, general, policy_folder, settings, tmp_path):
    write_trajectory(tmp_path / "squat.h5", builtin_trajectory("squat"))
    shown = playback(
        "velocity_control", general, policy_folder, trained, settings, stand=tmp_path / "squat.h5"
    )
    np.testing.assert_array_equal(shown.qpos[0], stand_pose(tmp_path / "squat.h5"))


def test_playback_shows_where_the_target_was():
    """A humanoid that is held on its targets has them jump after ten rewarded steps, which costs it a reward."""
    task = make_task("go_to_target", 1)
    starts = []

    def act(observation):
        starts.append(task.target[0].copy())
        task.physics.place(np.array([0]), upright(task), np.zeros((1, task.physics.model.nv)))
        return np.zeros((1, 56))

    task.steps = 35
    shown = play(task, act, seed=4)
    assert not shown.fallen and np.flatnonzero(shown.rewards == 0).tolist() == [10, 21, 32]
    np.testing.assert_array_equal(shown.goals[:-1], starts)
    jumps = np.flatnonzero(np.any(np.diff(shown.goals, axis=0) != 0, axis=1))
    assert jumps.tolist() == [10, 21, 32]


def upright(task):
    qpos = stand_pose()[None].copy()
    qpos[:, :2] = task.target
    return qpos


def test_needs_no_setting_of_the_training(trained, general, policy_folder, settings, tmp_path):
    """The workflow hands over just the settings that an evaluation names."""
    defaults = TransferSettings(evaluation_episodes=3)
    for name, given in {"a": settings, "b": defaults}.items():
        evaluate_transfer("velocity_control", general, policy_folder, trained, tmp_path / name, given, seed=0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_errors(trained, general, policy_folder, settings, tmp_path):
    low_level = LowLevel.load(policy_folder)
    with pytest.raises(InputError, match="another task than go_to_target"):
        load_model(trained, "go_to_target", low_level, general, settings)
    with pytest.raises(InputError, match="another low-level policy"):
        load_model(trained, "velocity_control", LowLevel(), general, settings)
    (trained / "best_model.zip").write_bytes((trained / "best_model.zip").read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        load_model(trained, "velocity_control", low_level, general, settings)
    (trained / "best_model.zip").unlink()
    with pytest.raises(InputError, match="Train it first"):
        load_model(trained, "velocity_control", low_level, general, settings)
