"""A training whose numbers are no longer sound stops with the batch at hand, whatever it was that broke."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from mocapact_core.envs import TaskVecEnv
from mocapact_core.errors import InputError
from mocapact_core.experts.train import CHECKPOINT, TRAINING
from mocapact_core.policies.folder import MODEL
from mocapact_core.policies.guard import DUMP


@pytest.fixture
def broken(train, tmp_path, monkeypatch):
    """Train with one call of a function replaced by what breaks it; return the dump of the batch."""

    def run(owner, name, nth, breaks, match, **changes):
        original = getattr(owner, name)
        calls = 0

        def counted(*arguments, **keywords):
            nonlocal calls
            calls += 1
            result = original(*arguments, **keywords)
            return breaks(result, *arguments) if calls == nth else result

        monkeypatch.setattr(owner, name, counted)
        with pytest.raises(InputError, match=match):
            train(tmp_path, warm_start="none", checkpoint_every=1, **changes)
        monkeypatch.undo()
        assert not (tmp_path / MODEL).exists()  # no broken expert is taken for a result
        return np.load(tmp_path / TRAINING / DUMP)

    return run


def checkpoint(tmp_path):
    return torch.load(tmp_path / TRAINING / CHECKPOINT, weights_only=True)["state"]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_reward_that_is_not_finite(broken, tmp_path, number):
    def spoil(step, *_):
        step[1][3] = number
        return step

    batch = broken(
        TaskVecEnv, "step_wait", 8 + 5, spoil, r"after 128 steps: .*: rewards, .* experts\.learning_rate"
    )
    bad = ~np.isfinite(batch["rewards"])
    assert bad[4, 3] and not bad[:4].any()
    assert batch["observations/walker/joints_pos"].shape == (8, 8, 56)
    assert checkpoint(tmp_path)["counters"]["num_timesteps"] == 64  # that before the batch stays


def test_an_observation_that_is_not_finite(broken):
    def spoil(step, *_):
        step[0]["walker/joints_vel"][2, 7] = np.nan
        return step

    batch = broken(TaskVecEnv, "step_wait", 8 + 5, spoil, "observations/walker/joints_vel")
    assert np.isnan(batch["observations/walker/joints_vel"][5, 2, 7])


def test_a_parameter_that_is_not_finite(broken, tmp_path):
    """As of the second of the four gradient steps of the second update."""

    def spoil(_, optimizer):
        optimizer.param_groups[0]["params"][1].data[0, 0] = np.nan

    batch = broken(torch.optim.Adam, "step", 4 + 2, spoil, r"after 128 steps: .*train/loss")
    assert all(np.isfinite(values).all() for values in batch.values())
    parameters = checkpoint(tmp_path)["policy"].values()
    assert all(parameter.isfinite().all() for parameter in parameters)


def test_a_parameter_that_is_not_finite_after_the_last_step(broken):
    def spoil(_, optimizer):
        optimizer.param_groups[0]["params"][1].data[0, 0] = np.nan

    broken(
        torch.optim.Adam,
        "step",
        4,
        spoil,
        r"after 64 steps: .* 1,000,000: mlp_extractor\.policy_net\.0\.weight\. The",
    )


def test_a_loss_that_explodes(broken):
    """Nothing is injected here: such a step size does it."""
    batch = broken(PPO, "train", 99, None, r"after 64 steps: .*approx_kl", learning_rate=[1e3])
    assert batch["actions"].shape == (64, 56)


def test_a_world_that_diverges_costs_an_episode_and_no_more(train, tmp_path, monkeypatch):
    step = TaskVecEnv.step_async
    seen = []

    def spoil(env, actions):
        step(env, actions)
        seen.append(env.num_envs)
        if len(seen) % 5 == 0:
            env.task.physics.qpos[len(seen) % 8] = np.nan

    monkeypatch.setattr(TaskVecEnv, "step_async", spoil)
    train(tmp_path, warm_start="none", total_steps=256, critic="plain")
    assert (tmp_path / MODEL).exists()
    assert len(seen) == 256 // 8
