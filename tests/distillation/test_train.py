"""Training: it learns, it repeats to the byte, and an interruption leaves no trace."""

import csv

import numpy as np
import pytest
import torch
from torch import nn

from mocapact_core.distillation import train
from mocapact_core.distillation.recipes import decayed, recipe
from mocapact_core.distillation.weights import Weighting
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import BASE, HIGH_LEVEL, HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.gpt import GPT
from mocapact_core.rollouts.dataset import RolloutDataset
from mocapact_core.settings import (
    GPTSettings,
    HierarchicalSettings,
    MCPSettings,
    MLPSettings,
    NPMPSettings,
    TrackingSettings,
)

FILES = [
    "last/model.safetensors",
    "last/policy.json",
    "model.safetensors",
    "policy.json",
    "progress.csv",
    "validation.csv",
]
"""Outputs of a training. Evaluations during it are in test_validation.py."""
TRACKING = TrackingSettings()
NPMP = NPMPSettings(
    intention_size=3,
    encoder_hidden=[16],
    decoder_hidden=[16, 8],
    sequence=5,
    batch=8,
    gradient_steps=12,
    learning_rate=1e-3,
    evaluate_every=0,
)
SHORT = {"batch": 8, "gradient_steps": 12, "learning_rate": 1e-3, "evaluate_every": 0}
TRANSFORMER = GPTSettings(kind="gpt", block=4, embedding=16, layers=2, heads=2, **SHORT)
TIME_INDEXED = MLPSettings(kind="time_indexed_mlp", hidden=[16, 8], sequence=5, **SHORT)
REFERENCE = MLPSettings(kind="reference_mlp", hidden=[16, 8], sequence=5, **SHORT)
HIERARCHICAL = HierarchicalSettings(
    kind="hierarchical_mlp", intention_size=3, encoder_hidden=[16], decoder_hidden=[8], sequence=5, **SHORT
)
MCP = MCPSettings(
    kind="mcp",
    primitives=3,
    gating_hidden=[16],
    shared_hidden=[12],
    primitive_hidden=[8],
    min_std=0.02,
    sequence=5,
    **SHORT,
)
KINDS = [NPMP, TRANSFORMER, TIME_INDEXED, REFERENCE, HIERARCHICAL, MCP]
of_all_kinds = pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)


def run(data, folder, settings, seed=3, tracking=TRACKING):
    train.train_policy(
        settings, data.rollouts, data.metrics, data.snippets, folder, tracking, seed, threads=1
    )
    return {name: (folder / name).read_bytes() for name in FILES}


def files_in(folder):
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path) for path in paths if path.parts[0] != "tensorboard")


def progress(folder):
    with open(folder / "progress.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@of_all_kinds
def test_equal_seeds_give_equal_bytes(data, tmp_path, settings):
    first = run(data, tmp_path / "a", settings)
    assert run(data, tmp_path / "b", settings) == first
    assert run(data, tmp_path / "c", settings, seed=4)["model.safetensors"] != first["model.safetensors"]
    assert files_in(tmp_path / "a") == sorted(FILES)


@of_all_kinds
def test_an_interrupted_training_ends_the_same(data, tmp_path, settings, monkeypatch):
    whole = run(data, tmp_path / "whole", settings)
    draw, drawn = RolloutDataset.batch, []

    def interrupted(*arguments, **named):
        drawn.append(1)
        if len(drawn) == 1 + 8:  # the first is to count operations
            raise KeyboardInterrupt
        return draw(*arguments, **named)

    monkeypatch.setattr(RolloutDataset, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "stopped", settings)
    assert files_in(tmp_path / "stopped") == [train.CHECKPOINT]
    assert run(data, tmp_path / "stopped", settings) == whole
    assert len(drawn) == 1 + 8 + 1 + (12 - 7), "it begins where it was stopped"
    assert not (tmp_path / "stopped" / train.CHECKPOINT).exists()


@pytest.mark.parametrize("spoil", ["other settings", "damage"])
def test_a_foreign_checkpoint_is_not_gone_on_from(data, tmp_path, monkeypatch, spoil):
    whole = run(data, tmp_path / "whole", NPMP)
    monkeypatch.setattr(train, "save_policy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    folder = tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        run(data, folder, NPMP.model_copy(update={"beta": 0.5}))
    monkeypatch.undo()
    checkpoint = folder / train.CHECKPOINT
    assert checkpoint.exists()
    if spoil == "damage":
        checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    assert run(data, folder, NPMP) == whole


@of_all_kinds
def test_it_learns_the_data_by_heart(data, tmp_path, settings):
    longer = settings.model_copy(update={"gradient_steps": 300, "learning_rate": 5e-3})
    run(data, tmp_path, longer)
    for name, share in (("action_error", 0.9), ("loss", 1.0)):
        values = [row[name] for row in progress(tmp_path)]
        assert np.mean(values[-20:]) < share * np.mean(values[:5])


def test_progress_tells_the_means_between_rows(data, tmp_path, monkeypatch):
    run(data, tmp_path / "fine", NPMP)
    monkeypatch.setattr(train, "ROWS", 3)
    run(data, tmp_path / "coarse", NPMP)
    fine, coarse = progress(tmp_path / "fine"), progress(tmp_path / "coarse")
    assert [row["step"] for row in fine] == list(range(1, 13))
    assert [row["step"] for row in coarse] == [4, 8, 12]
    assert set(fine[0]) == {"step", "loss", "log_likelihood", "kl", "action_error", "gradient_norm"}
    for name in ("loss", "kl", "gradient_norm"):
        assert coarse[1][name] == pytest.approx(np.mean([row[name] for row in fine[4:8]]), rel=1e-4)


def test_the_policy_knows_how_it_was_made(data, tmp_path):
    run(data, tmp_path / "npmp", NPMP)
    run(data, tmp_path / "gpt", TRANSFORMER)
    npmp, gpt = load_policy(tmp_path / "npmp"), load_policy(tmp_path / "gpt")
    assert (npmp.observables, npmp.ref_steps) == (HIGH_LEVEL, (1, 2, 3, 4, 5))
    assert (gpt.observables, gpt.ref_steps) == (HIGH_LEVEL_SANS_REFERENCE, ())
    assert (npmp.sizes["observation"], gpt.sizes["observation"]) == (1291, 206)
    with np.load(data.metrics) as metrics:
        # of the published 35 observables in alphabetical order, joints_pos is the tenth
        first = 56 + 15 + 1 + 12 + 1 + 1 + 3 + 1 + 1
        expected = metrics["proprio_mean"][first : first + 56]
        variance = metrics["proprio_var"][first : first + 56]
    for policy in (npmp, gpt):
        np.testing.assert_allclose(policy.normaliser.mean[:56], expected, rtol=1e-6)
        np.testing.assert_allclose(policy.normaliser.std[:56], np.sqrt(variance), rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "name", "sizes"),
    [
        (TIME_INDEXED, "MLP", {"observation": 206, "hidden": [16, 8]}),
        (REFERENCE, "MLP", {"observation": 1291, "hidden": [16, 8]}),
        (
            HIERARCHICAL,
            "Hierarchical",
            {"observation": 1291, "intention": 3, "encoder": [16], "decoder": [8]},
        ),
        (
            MCP,
            "MCP",
            {
                "observation": 1291,
                "primitives": 3,
                "gating": [16],
                "shared": [12],
                "own": [8],
                "min_std": 0.02,
            },
        ),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_each_kind_becomes_its_network(data, tmp_path, settings, name, sizes):
    run(data, tmp_path, settings)
    policy = load_policy(tmp_path)
    assert (type(policy).__name__, policy.sizes) == (name, sizes)
    if settings is TIME_INDEXED:
        assert (policy.observables, policy.ref_steps) == ((*BASE, "time_in_clip"), ())
    else:
        assert (policy.observables, policy.ref_steps) == (HIGH_LEVEL, (1, 2, 3, 4, 5))


@pytest.mark.parametrize("settings", [REFERENCE, HIERARCHICAL, MCP], ids=lambda settings: settings.kind)
def test_without_memory_the_objective_is_the_weighted_log_likelihood(data, settings):
    """-mean over sequences of sum_t w_c log N(expert's mean action), against torch.distributions."""
    names = [snippet.name for snippet in data.snippets]
    dataset = RolloutDataset(data.rollouts, data.metrics, names, HIGH_LEVEL, sequence=5)
    torch.manual_seed(0)
    chosen = recipe(settings, dataset, [1, 2, 3, 4, 5])
    batch = dataset.batch(np.random.default_rng(0), 8)
    terms = chosen.loss(batch)
    mean, std = chosen.policy(chosen.policy.tensor(batch.observations))
    log_likelihood = torch.distributions.Normal(mean, std).log_prob(chosen.policy.tensor(batch.mean_actions))
    if settings is not MCP:
        assert std.min() == std.max() == np.float32(0.1)
    weights = chosen.policy.tensor(Weighting("rwr", None, dataset)(batch))
    assert weights.std() > 0.1
    torch.testing.assert_close(terms["loss"], -(weights * log_likelihood.sum(dim=2)).sum() / 8)


def test_only_the_weights_of_linear_layers_decay():
    policy = GPT(observation=3, block=4, embedding=8, layers=1, heads=2)
    decaying, others = (group["params"] for group in decayed(policy, 0.1))
    names = {id(parameter): name for name, parameter in policy.named_parameters()}
    assert len(decaying) + len(others) == len(names)
    assert {names[id(p)] for p in decaying} == {
        f"{layer}.weight"
        for layer in (
            "token",
            "layers.0.attention.query_key_value",
            "layers.0.attention.project",
            "layers.0.expand",
            "layers.0.project",
            "head",
        )
    }
    assert isinstance(policy.norm, nn.LayerNorm) and any(p is policy.norm.weight for p in others)


def test_training_leaves_the_random_state_alone(data, tmp_path):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    run(data, tmp_path, NPMP)
    assert torch.equal(before, torch.get_rng_state())


def test_rollouts_of_other_reference_steps_are_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"\[1, 2, 3, 4, 5\].*\[1, 2\]"):
        run(data, tmp_path, NPMP, tracking=TrackingSettings(ref_steps=[1, 2]))
    assert list(tmp_path.iterdir()) == []


def test_heads_must_divide_the_embedding(data, tmp_path):
    with pytest.raises(InputError, match="5 heads"):
        run(data, tmp_path, TRANSFORMER.model_copy(update={"heads": 5}))
