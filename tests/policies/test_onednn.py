"""Networks in oneDNN against float64, and updates with them against those of plain stable-baselines3."""

import copy
from unittest import mock

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.envs import TaskVecEnv
from mocapact_core.policies import onednn
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.npmp import NPMP
from mocapact_core.policies.onednn import use_onednn
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

pytestmark = pytest.mark.skipif(not onednn.AVAILABLE, reason="this PyTorch comes without oneDNN")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(206, 40), nn.Tanh(), nn.Linear(40, 24), nn.ReLU(), nn.Linear(24, 7))


@pytest.mark.parametrize("width", [206, 250])
@pytest.mark.parametrize("n", [1, 33])
def test_values_and_gradients_are_those_of_float64(n, width):
    """Also of inputs that are the first columns of a wider array."""
    plain, exact = network(), network().double()
    fast = copy.deepcopy(plain)
    use_onednn(fast)
    x = torch.randn(n, width, generator=torch.Generator().manual_seed(n))
    towards = torch.randn(n, 7, generator=torch.Generator().manual_seed(n + 1))
    results = {}
    for name, module in {"plain": plain, "fast": fast, "exact": exact}.items():
        dtype = next(module.parameters()).dtype
        inputs = x.to(dtype, copy=True).requires_grad_()
        output = module(inputs[:, :206])
        (output * towards).sum().backward()
        results[name] = [output.detach(), inputs.grad, *(p.grad for p in module.parameters())]
    for truth, ours, torchs in zip(results["exact"], results["fast"], results["plain"], strict=True):
        scale = float(truth.abs().max())
        assert (ours - truth).abs().max() < 3e-6 * scale
        assert (torchs - truth).abs().max() < 3e-6 * scale  # float32 gives no better


def test_layers_are_replaced_and_parameters_keep_their_names():
    fast, plain = network(), network()
    names = list(fast.state_dict())
    use_onednn(fast)
    assert [type(layer) for layer in fast] == [
        onednn.LinearTanh,
        nn.Identity,
        onednn.Linear,
        nn.ReLU,
        onednn.Linear,
    ]
    assert list(fast.state_dict()) == names
    fast.load_state_dict(plain.state_dict())
    use_onednn(fast)  # a second time changes nothing
    assert type(fast[0]) is onednn.LinearTanh


def test_parameters_that_are_not_trained_get_no_gradient():
    fast = network()
    use_onednn(fast)
    fast[0].requires_grad_(False)
    fast(torch.ones(2, 206)).sum().backward()
    assert fast[0].weight.grad is None and fast[2].weight.grad is not None


def test_without_onednn_the_network_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(onednn, "AVAILABLE", False)
    plain = network()
    use_onednn(plain)
    assert type(plain[0]) is nn.Linear


def test_updates_are_those_of_stable_baselines3():
    """From one rollout, 24 minibatches later: parameters differ by rounding."""
    plain, fast = (ppo() for _ in range(2))
    use_onednn(fast.policy)
    start = copy.deepcopy(plain.policy.state_dict())
    _, callback = plain._setup_learn(64)
    fast._setup_learn(64)
    plain.collect_rollouts(plain.env, callback, plain.rollout_buffer, plain.n_steps)
    fast.rollout_buffer = plain.rollout_buffer
    for model in (plain, fast):
        np.random.seed(0)  # noqa: NPY002 - it draws stable-baselines3's minibatches
        model.train()
    assert plain.logger.name_to_value["train/loss"] == pytest.approx(
        fast.logger.name_to_value["train/loss"], rel=1e-4
    )
    for name, after in plain.policy.state_dict().items():
        moved = (after - start[name]).abs().max()
        assert moved > 0, name
        assert (fast.policy.state_dict()[name] - after).abs().max() < 1e-4 * moved, name


def ppo():
    task = TrackingTask(References([builtin_trajectory("wave")]), 8, seed=0)
    env = VecNormalize(TaskVecEnv(task), gamma=0.95)
    return PPO(
        "MultiInputPolicy",
        env,
        n_steps=8,
        batch_size=16,
        n_epochs=6,
        learning_rate=1e-3,
        policy_kwargs={"net_arch": {"pi": [32, 32], "vf": [32, 32]}, "activation_fn": nn.Tanh},
        seed=0,
        device="cpu",
    )


@pytest.mark.parametrize("policy", [NPMP, GPT])
def test_within_whole_sequences_have_the_values_and_gradients_of_float64(policy, monkeypatch):
    """Also of layers that are used in parts, as the first of NPMP's encoder; outside nothing is changed."""
    sizes = (
        {"encoder": [16], "decoder": [24]} if policy is NPMP else {"embedding": 16, "layers": 2, "heads": 2}
    )
    torch.manual_seed(0)
    exact = policy(observation=250, **sizes).eval().double()
    x, noise = torch.randn(3, 5, 250).double(), torch.randn(3, 6, 60).double()
    plain = copy.deepcopy(exact).float()

    def compute(network, dtype):
        if policy is GPT:
            output = network(x.to(dtype))
        else:
            parts = network.unroll(x.to(dtype), noise[:, 0].to(dtype), noise[:, 1:].to(dtype))
            output = torch.cat(parts, dim=-1)
        network.zero_grad()
        output.square().sum().backward()
        return [output.detach(), *(parameter.grad for parameter in network.parameters())]

    truth, torchs = compute(exact, torch.float64), compute(plain, torch.float32)
    torchs = [each.clone() for each in torchs]
    product = mock.Mock(wraps=onednn._product)
    monkeypatch.setattr(onednn, "_product", product)
    with onednn.InOneDNN():
        ours = compute(plain, torch.float32)
        fast = [each.clone() for each in ours]
    computed = product.call_count
    again = compute(plain, torch.float32)
    linear = sum(isinstance(module, nn.Linear) for module in plain.modules())
    assert product.call_count == computed > linear, "forwards and backwards, and only within"
    assert all(torch.equal(a, b) for a, b in zip(again, torchs, strict=True))
    for expected, values in zip(truth, fast, strict=True):
        assert (values - expected).abs().max() < 1e-5 * float(expected.abs().max())
