"""Policies survive the way to disk and back; damaged ones are told apart."""

import json

import numpy as np
import pytest
import torch

from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.files import load_policy, save_policy
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.hierarchical import Hierarchical
from mocapact_core.policies.mcp import MCP
from mocapact_core.policies.mlp import MLP
from mocapact_core.policies.npmp import NPMP


def _npmp():
    torch.manual_seed(0)
    policy = NPMP(observation=210, intention=3, encoder=[8], decoder=[8], ref_steps=[1, 2])
    policy.normaliser.set(np.arange(210.0), np.arange(1.0, 211.0))
    return policy


def _gpt():
    torch.manual_seed(0)
    return GPT(observation=206, embedding=8, layers=1, heads=2, block=5)


def _mlp():
    torch.manual_seed(0)
    return MLP(TIME_INDEX, ref_steps=[], observation=206, hidden=[8])


def _hierarchical():
    torch.manual_seed(0)
    return Hierarchical(observation=210, intention=3, encoder=[8], decoder=[8, 4], ref_steps=[1, 2])


def _mcp():
    torch.manual_seed(0)
    return MCP(observation=210, primitives=3, gating=[8], shared=[8], own=[4], min_std=0.02, ref_steps=[1, 2])


@pytest.mark.parametrize("build", [_npmp, _gpt, _mlp, _hierarchical, _mcp])
def test_a_loaded_policy_is_the_saved_one(build, tmp_path):
    policy = build().eval()
    save_policy(policy, tmp_path, {"seed": 1})
    loaded = load_policy(tmp_path)
    assert type(loaded) is type(policy)
    assert (loaded.sizes, loaded.observables, loaded.ref_steps) == (
        policy.sizes,
        policy.observables,
        policy.ref_steps,
    )
    assert not loaded.training
    observation = np.random.default_rng(0).normal(size=(4, policy.sizes["observation"]))
    np.testing.assert_array_equal(loaded.predict(observation)[0], policy.predict(observation)[0])


def test_equal_policies_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_policy(_npmp(), tmp_path / name)
    for file in ("model.safetensors", "policy.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["model.safetensors", "policy.json"]


def test_a_missing_policy_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="There is no policy"):
        load_policy(tmp_path)


def test_an_unknown_class_names_the_known_ones(tmp_path):
    save_policy(_npmp(), tmp_path)
    content = json.loads((tmp_path / "policy.json").read_text())
    (tmp_path / "policy.json").write_text(json.dumps({**content, "class": "NPNP"}))
    with pytest.raises(InputError, match=r"'NPNP'.*GPT, Hierarchical, MCP, MLP, NPMP.*the nearest is NPMP"):
        load_policy(tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 2000])
def test_numbers_cut_short_are_an_input_error(tmp_path, keep):
    save_policy(_npmp(), tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged"):
        load_policy(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"class": "NPMP"}'])
def test_a_damaged_description_is_an_input_error(tmp_path, text):
    save_policy(_npmp(), tmp_path)
    (tmp_path / "policy.json").write_text(text)
    with pytest.raises(InputError, match="not the description"):
        load_policy(tmp_path)


def test_other_sizes_are_an_input_error(tmp_path):
    save_policy(_npmp(), tmp_path)
    content = json.loads((tmp_path / "policy.json").read_text())
    content["sizes"]["intention"] = 4
    (tmp_path / "policy.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="damaged or from another version"):
        load_policy(tmp_path)
