"""The guess of what a training costs, beside the operations counted in the network itself."""

from pathlib import Path

import pytest

from mocapact_core.config import Config, load_config
from mocapact_core.distillation.cost import flops_of_step, training_seconds
from mocapact_core.distillation.monitor import flops_of_step as counted
from mocapact_core.distillation.recipes import observables_of, recipe, sequence_of
from mocapact_core.rollouts.dataset import RolloutDataset
from mocapact_core.settings import HierarchicalSettings, MCPSettings, MLPSettings

ROOT = Path(__file__).parents[2]
PAPER = Config().distillation.policies
POLICIES = [
    *PAPER.values(),
    MLPSettings(kind="reference_mlp"),
    HierarchicalSettings(kind="hierarchical_mlp"),
    MCPSettings(kind="mcp"),
]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.kind)
def test_operations_of_policies_of_the_papers_size_are_guessed_generously(data, policy):
    dataset = RolloutDataset(data.rollouts, data.metrics, None, observables_of(policy), sequence_of(policy))
    truth = counted(recipe(policy, dataset, [1, 2, 3, 4, 5]), dataset, policy.batch)
    assert 0.9 * truth < flops_of_step(policy) < 5 * truth, truth


def test_the_demo_is_short_and_the_paper_is_not():
    hour = 3600
    demo = load_config(ROOT / "config.yaml").distillation
    assert all(training_seconds(policy, demo.threads) < hour for policy in demo.policies.values())
    assert all(training_seconds(policy, 2) > 24 * hour for policy in PAPER.values())
