"""Policies without memory against plain numpy: MLP, hierarchical MLP and MCP; and what `predict` promises."""

import numpy as np
import pytest
import torch

from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import BASE, HIGH_LEVEL, TIME_INDEX
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.hierarchical import Hierarchical
from mocapact_core.policies.mcp import MCP
from mocapact_core.policies.mlp import MLP
from mocapact_core.policies.npmp import NPMP
from tests.policies.layers import multilayer, normalised

OBSERVATION = 230


def build(name):
    torch.manual_seed(3)
    policy = {
        "mlp": lambda: MLP(observation=OBSERVATION, hidden=[16, 8]),
        "hierarchical": lambda: Hierarchical(
            observation=OBSERVATION, intention=4, encoder=[16, 8], decoder=[12]
        ),
        "mcp": lambda: MCP(observation=OBSERVATION, primitives=3, gating=[16], shared=[12, 9], own=[7]),
    }[name]()
    rng = np.random.default_rng(0)
    policy.normaliser.set(rng.normal(size=OBSERVATION), rng.uniform(0.5, 2, OBSERVATION))
    with torch.no_grad():  # layer norms that do nothing would hide their absence
        for parameter in policy.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn_like(parameter)
    return policy


@pytest.fixture(params=["mlp", "hierarchical", "mcp"])
def policy(request):
    return build(request.param)


@pytest.fixture
def observation():
    return np.random.default_rng(1).normal(size=(5, OBSERVATION)).astype(np.float32)


def forward(policy, observation):
    with torch.no_grad():
        return [part.numpy() for part in policy(torch.as_tensor(observation))]


def test_mlp_is_its_layers(observation):
    policy = build("mlp")
    mean, std = forward(policy, observation)
    np.testing.assert_allclose(
        mean, multilayer(policy, "network", normalised(policy, observation)), atol=1e-5
    )
    assert (std == np.float32(0.1)).all()


def test_hierarchical_is_a_decoder_of_proprioception_and_intention(observation):
    policy = build("hierarchical")
    seen = normalised(policy, observation)
    intention = multilayer(policy, "encoder", seen)
    assert intention.shape == (5, 4)
    expected = multilayer(policy, "decoder", np.concatenate([seen[:, :205], intention], axis=1))
    mean, std = forward(policy, observation)
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    assert (std == np.float32(0.1)).all()


def test_mcp_is_the_product_of_its_primitives(observation):
    policy = build("mcp")
    seen = normalised(policy, observation)
    weights = 1 / (1 + np.exp(-multilayer(policy, "gating", seen)))
    hidden = multilayer(policy, "shared", seen[:, :205])
    outputs = [multilayer(policy, f"own.{k}", hidden) for k in range(3)]
    means = np.stack([output[:, :56] for output in outputs])
    stds = np.stack([np.log1p(np.exp(output[:, 56:])) + 0.01 for output in outputs])
    precisions = weights.T[:, :, None] / stds**2
    variance = 1 / precisions.sum(axis=0)
    mean, std = forward(policy, observation)
    np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-5)
    np.testing.assert_allclose(mean, (precisions * means).sum(axis=0) * variance, atol=1e-5)


def test_full_sizes_are_those_of_the_paper():
    with torch.device("meta"):
        policies = [MLP(TIME_INDEX, (), 206), MLP(), Hierarchical(), MCP()]
    shapes = [
        [(m.in_features, m.out_features) for m in policy.modules() if isinstance(m, torch.nn.Linear)]
        for policy in policies
    ]
    assert shapes[0] == [(206, 1024), (1024, 1024), (1024, 1024), (1024, 56)]
    assert shapes[1] == [(1291, 1024), (1024, 1024), (1024, 1024), (1024, 56)]
    encoder = [(1291, 1024), (1024, 1024), (1024, 60)]
    assert shapes[2] == [*encoder, (265, 1024), (1024, 1024), (1024, 1024), (1024, 56)]
    gating, shared = [(1291, 512), (512, 512), (512, 8)], [(205, 512), (512, 512)]
    assert shapes[3] == gating + shared + 8 * [(512, 512), (512, 112)]


def test_every_parameter_gets_a_gradient(policy):
    mean, std = policy(torch.randn(6, 3, OBSERVATION))
    assert mean.shape == std.shape == (6, 3, 56)
    ((mean - 1).square().sum() + std.sum()).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("name", ["hierarchical", "mcp"])
def test_proprioception_is_the_first_of_the_observables(name):
    assert build(name).observables[: len(BASE)] == BASE


def test_primitives_see_nothing_of_the_reference(observation):
    policy, other = build("mcp"), observation.copy()
    other[:, 205:] += 1
    seen, changed = (torch.as_tensor(array) for array in (observation, other))
    assert not torch.allclose(policy.log_weights(seen), policy.log_weights(changed))
    mean, std = policy.primitives(seen[:, :205])
    assert mean.shape == std.shape == (5, 3, 56)
    with torch.no_grad():  # a weight that is 1 while the others vanish leaves one primitive alone
        policy.gating[-1].weight.zero_()
        policy.gating[-1].bias.copy_(torch.tensor([-90.0, 40.0, -90.0]))
    alone = policy(changed)
    torch.testing.assert_close(alone, (mean[:, 1], std[:, 1]))


def test_predict_is_the_mean_without_memory(policy, observation):
    action, state = policy.predict(observation)
    np.testing.assert_allclose(action, forward(policy, observation)[0].clip(-1, 1), atol=1e-6)
    assert (action.shape, action.dtype, state) == ((5, 56), np.float32, None)
    later, state = policy.predict(
        observation, state, episode_start=np.array([True, False, False, True, False])
    )
    np.testing.assert_array_equal(later, action)
    assert state is None


def test_noise_has_the_standard_deviation_of_the_network(policy, observation):
    means, stds = (part[0] for part in forward(policy, observation))
    many = np.repeat(observation[:1], 20_000, axis=0)
    policy.seed(7)
    noisy, _ = policy.predict(many, deterministic=False)
    policy.seed(7)
    np.testing.assert_array_equal(policy.predict(many, deterministic=False)[0], noisy)
    inside = np.abs(means) + 4.5 * stds < 1  # never clipped
    if policy.__class__ is not MCP:
        assert inside.sum() > 20
        np.testing.assert_allclose(noisy[:, inside].mean(axis=0), means[inside], atol=0.005)
        np.testing.assert_allclose(noisy[:, inside].std(axis=0), stds[inside], rtol=0.03)
    else:  # medians outlive clipping; a normal variable is within 0.6745 of its deviations in half of all cases
        low, middle, high = np.quantile(noisy, [0.25, 0.5, 0.75], axis=0)
        inside = np.abs(means) + stds < 1
        assert inside.sum() > 20
        np.testing.assert_allclose(middle[inside], means[inside], atol=0.03)
        np.testing.assert_allclose((high - low)[inside], 2 * 0.6745 * stds[inside], rtol=0.05)


@pytest.mark.parametrize("kind", [MLP, Hierarchical, MCP, NPMP, GPT])
def test_observations_may_be_a_dict_of_observables(kind):
    """In any order and with others beside them, as an environment gives them."""
    sizes = dict(zip(BASE, [56, 56, 3, 3, 12, 3, 56, 10, 6], strict=True))
    torch.manual_seed(0)
    if kind is MLP:
        sizes, policy = sizes | {"time_in_clip": 1}, MLP(TIME_INDEX, (), 206, hidden=[8])
    elif kind is GPT:
        sizes, policy = sizes | {"body_height": 1}, GPT(embedding=8, layers=1, heads=1).eval()
    else:
        sizes |= dict(zip(HIGH_LEVEL[len(BASE) :], [1, 465, 620], strict=True))
        policy = kind(**{"gating": [8]} if kind is MCP else {"encoder": [8], "decoder": [8]})
    rng = np.random.default_rng(2)
    parts = {name: rng.normal(size=(4, size)).astype(np.float32) for name, size in sizes.items()}
    flat = np.concatenate([parts[name] for name in policy.observables], axis=1)
    named = {f"walker/{name}": parts[name] for name in reversed(parts)} | {"walker/else": np.zeros((4, 2))}
    expected = policy.predict(flat)[0]
    policy.seed(0)
    np.testing.assert_array_equal(policy.predict(named)[0], expected)
    del named["walker/world_zaxis"]
    with pytest.raises(InputError, match="lacks walker/world_zaxis"):
        policy.predict(named)
