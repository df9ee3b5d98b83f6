"""The task policy's environment, against the same task stepped by hand."""

import numpy as np
import pytest
import torch

from mocapact_core.envs import TaskVecEnv
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import BASE
from mocapact_core.policies.files import save_policy
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.hierarchical import Hierarchical
from mocapact_core.transfer.environment import LowLevel, TransferVecEnv, make_task

N_WORLDS = 3


def test_acts_through_the_decoder(decoder):
    """Each step moves the humanoid by what the decoder makes of its own present senses."""
    env = TransferVecEnv(TaskVecEnv(make_task("go_to_target", N_WORLDS, seed=4)), LowLevel(decoder), 3.0)
    twin = make_task("go_to_target", N_WORLDS, seed=4)
    twin.reset()
    seen = env.reset()
    rng = np.random.default_rng(0)
    finished = 0
    for _ in range(40):
        intention = rng.uniform(-3, 3, (N_WORLDS, 5)).astype(np.float32)
        senses = torch.as_tensor(np.concatenate([seen[f"walker/{name}"] for name in BASE], axis=1))
        with torch.no_grad():
            action = decoder.decode(senses, torch.as_tensor(intention)).clamp(-1, 1).numpy()
        step = twin.step(action)
        seen, rewards, dones, _ = env.step(intention)
        if step.done.any():
            twin.reset(np.flatnonzero(step.done))
        np.testing.assert_array_equal(dones, step.done)
        np.testing.assert_array_equal(rewards, step.reward)
        np.testing.assert_array_equal(np.concatenate(list(seen.values()), axis=1), twin.observe())
        finished += dones.sum()
    assert finished


def test_spaces(decoder):
    def space(low_level, max_action):
        return TransferVecEnv(
            TaskVecEnv(make_task("velocity_control", 1)), low_level, max_action
        ).action_space

    assert space(LowLevel(decoder), 3.0).shape == (5,) and (space(LowLevel(decoder), 3.0).high == 3).all()
    assert space(LowLevel(), 1.0).shape == (56,) and (space(LowLevel(), 1.0).low == -1).all()


def test_without_a_low_level_policy_actions_move_the_humanoid():
    action = np.random.default_rng(0).normal(size=(2, 56)) * 2
    np.testing.assert_array_equal(LowLevel().act(np.zeros((2, 205)), action), np.clip(action, -1, 1))


def test_loads_the_decoder_of_a_folder(decoder, policy_folder):
    senses, intention = np.random.default_rng(0).normal(size=(2, 205)), np.ones((2, 5))
    expected = decoder.eval().act(senses, intention)  # in PyTorch's own products
    np.testing.assert_allclose(LowLevel.load(policy_folder).act(senses, intention), expected, atol=1e-6)
    assert LowLevel.load(None).decoder is None


def test_errors(tmp_path):
    with pytest.raises(InputError, match="go_to_target"):
        make_task("go_to_tarjet", 1)
    with pytest.raises(InputError, match="no policy"):
        LowLevel.load(tmp_path)
    save_policy(GPT(block=4, embedding=8, layers=1, heads=1), tmp_path)
    with pytest.raises(InputError, match="GPT, but only the decoder of an NPMP"):
        LowLevel.load(tmp_path)
    save_policy(Hierarchical(encoder=[4], decoder=[4]), tmp_path)
    with pytest.raises(InputError, match="Hierarchical, but only the decoder of an NPMP"):
        LowLevel.load(tmp_path)
