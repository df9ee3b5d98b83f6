"""Published checkpoints act as they did where they come from; forged ones are refused, and nothing of them runs."""

import json

import numpy as np
import pytest
import torch

from mocapact_core import cli
from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.humanoid.observables import HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.lightning import read_checkpoint
from tests.policies.checkpoints import (
    FEATURES,
    REFERENCE,
    PublishedGPT,
    PublishedNPMP,
    write_checkpoint,
)

N = 3


def observations(steps):
    """For each step the observables of N worlds, now and then far from what is usual."""
    rng = np.random.default_rng(5)
    return [
        {
            name: (30 if step % 4 == 3 else 1) * rng.normal(size=(N, size)).astype(np.float32)
            for name, size in FEATURES.items()
        }
        for step in range(steps)
    ]


def flat(observation, names):
    return np.concatenate([observation[name] for name in names], axis=1)


@pytest.mark.parametrize("noise", [False, True])
@torch.no_grad()
def test_an_npmp_acts_as_published(tmp_path, noise):
    published = PublishedNPMP()
    policy = read_checkpoint(write_checkpoint(tmp_path / "best_model.ckpt", published))
    policy.seed(7)
    generator = torch.Generator().manual_seed(7)
    draw = (lambda n: torch.randn(n, 3, generator=generator)) if noise else (lambda n: torch.zeros(n, 3))
    state = None
    for step, observation in enumerate(observations(8)):
        start = np.array([step == 0, step in (0, 5), step == 0])
        action, state = policy.predict(flat(observation, FEATURES), state, start, intention_noise=noise)
        if step == 0:
            intention = draw(N)
        elif start.any():
            intention[start] = draw(start.sum())
        expected, intention = published.step(observation, intention, draw(N))
        np.testing.assert_allclose(action, expected, atol=1e-5)
        np.testing.assert_allclose(state, intention, atol=1e-5)
        assert (np.abs(action) < 1).mean() > 0.3
    low_level = policy.act(flat(observation, FEATURES)[:, :205], state)
    np.testing.assert_allclose(low_level, expected, atol=1e-5)


@torch.no_grad()
def test_a_gpt_acts_as_published(tmp_path):
    """Before its context is full, when it is full, and after an episode began anew."""
    published = PublishedGPT(block=4)
    policy = read_checkpoint(write_checkpoint(tmp_path / "gpt.ckpt", published))
    state, episodes = None, [[] for _ in range(N)]
    for step, observation in enumerate(observations(10)):
        start = np.array([False, step == 6, False])
        action, state = policy.predict(flat(observation, HIGH_LEVEL_SANS_REFERENCE), state, start)
        for world in range(N):
            one = {name: values[world] for name, values in observation.items()}
            episodes[world] = [one] if start[world] else [*episodes[world], one]
            np.testing.assert_allclose(action[world], published.act(episodes[world]), atol=1e-5)
        assert (np.abs(action) < 1).mean() > 0.3


def test_what_a_checkpoint_tells_is_kept(tmp_path):
    npmp = read_checkpoint(write_checkpoint(tmp_path / "npmp.ckpt", PublishedNPMP()))
    gpt = read_checkpoint(write_checkpoint(tmp_path / "gpt.ckpt", PublishedGPT()))
    assert npmp.observables == (*HIGH_LEVEL_SANS_REFERENCE, *REFERENCE)
    assert gpt.observables == HIGH_LEVEL_SANS_REFERENCE
    assert (npmp.ref_steps, gpt.ref_steps) == ((1, 2, 3, 4, 5), ())
    assert npmp.sizes == {
        "observation": 213,
        "intention": 3,
        "encoder": [8, 8],
        "decoder": [9, 9, 9],
        "max_normalised": None,
    }
    assert (gpt.sizes["block"], gpt.sizes["layers"], gpt.sizes["heads"]) == (4, 2, 3)
    assert not npmp.training
    assert not gpt.training


def test_a_policy_without_statistics_is_not_normalised(tmp_path):
    path = write_checkpoint(
        tmp_path / "npmp.ckpt", PublishedNPMP(), features_extractor_kwargs={"obs_rms": None}
    )
    normaliser = read_checkpoint(path).normaliser
    observation = torch.linspace(-100, 100, 213)
    assert torch.equal(normaliser(observation), observation)


@pytest.mark.parametrize("published", [PublishedNPMP, PublishedGPT])
def test_an_imported_policy_is_one_of_ours(tmp_path, capsys, published):
    path, folder = write_checkpoint(tmp_path / "best_model.ckpt", published()), tmp_path / "policy"
    assert cli.main(["import-policy", str(path), str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    imported, read = load_policy(folder), read_checkpoint(path)
    observation = 30 * np.random.default_rng(0).normal(size=(N, read.sizes["observation"]))
    np.testing.assert_array_equal(imported.predict(observation)[0], read.predict(observation)[0])
    described = json.loads((folder / "policy.json").read_text())
    assert described["provenance"]["inputs"] == {"checkpoint": sha256(path)}


# ---- Policies that ours cannot be


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("activation_fn", "torch.nn.Tanh"),
        ("layer_norm", False),
        ("squash_output", True),
        ("recurrent_encoder", False),
        ("std_dev", 0.2),
        ("observables", {"ref_encoder": ("walker/body_height",), "decoder": ("walker/joints_pos",)}),
        ("observables", {"ref_encoder": 3, "decoder": 3}),
        ("features_extractor_kwargs", {"obs_rms": {}}),
        ("ref_steps", None),
    ],
)
def test_another_kind_of_npmp_is_refused(tmp_path, setting, value):
    path = write_checkpoint(tmp_path / "npmp.ckpt", PublishedNPMP(), **{setting: value})
    with pytest.raises(InputError, match=r"not the checkpoint of one of MoCapAct's NPMP or GPT policies"):
        read_checkpoint(path)


@pytest.mark.parametrize("heads", [0, 5, 2.0, "3", 10**12])
def test_heads_that_do_not_fit_are_refused(tmp_path, heads):
    path = write_checkpoint(tmp_path / "gpt.ckpt", PublishedGPT(), n_head=heads)
    with pytest.raises(InputError, match="12 features cannot be those of"):
        read_checkpoint(path)


def _without(name):
    return lambda weights: weights.pop(name)


def _with(name, values):
    return lambda weights: weights.update({name: torch.tensor(values)})


@pytest.mark.parametrize(
    ("published", "change", "message"),
    [
        (PublishedNPMP, _without("action_decoder.3.bias"), "it lacks decoder.3.bias"),
        (PublishedNPMP, _without("reference_encoder.encoder.1.bias"), "it lacks encoder.1.bias"),
        (PublishedNPMP, _with("extra", [1.0]), "it has extra, which"),
        (
            PublishedNPMP,
            _with("action_decoder.0.bias", [1.0]),
            r"decoder.0.bias has the shape \(1,\) instead",
        ),
        (
            PublishedNPMP,
            _with("action_decoder.9.bias", [float("nan")] * 56),
            "holds a value that is no number",
        ),
        (PublishedNPMP, _with("decoder.0.bias", [0.0]), "two of its weights are one of ours"),
        (PublishedGPT, _with("value.head.weight", [0.0]), "it has value.head.weight"),
        (PublishedGPT, _without("gpt.ln_f.weight"), "it lacks norm.weight"),
        (PublishedGPT, _without("gpt.blocks.1.attn.key.bias"), "layers.1.attention.key.bias"),
        (PublishedGPT, _with("gpt.head.bias", [0.0] * 56), "it has head.bias"),
        (PublishedGPT, _with("gpt.blocks.0.attn.mask", [[[[1.0] * 4] * 4]]), "attention is not causal"),
    ],
)
def test_weights_are_all_used_and_none_is_missing(tmp_path, published, change, message):
    policy = published()
    weights = policy.state_dict()
    change(weights)
    policy.state_dict = lambda: weights
    with pytest.raises(InputError, match=message):
        read_checkpoint(write_checkpoint(tmp_path / "policy.ckpt", policy))


def test_another_policy_is_refused(tmp_path):
    policy = PublishedGPT()
    policy.state_dict = lambda: {"mlp.0.weight": torch.zeros(2, 2)}
    with pytest.raises(InputError, match=r"its weights are mlp.0.weight"):
        read_checkpoint(write_checkpoint(tmp_path / "policy.ckpt", policy))
