"""For each kind of policy: the network, its optimiser and the loss of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mocapact_core.distillation.objective import (
    gaussian_log_likelihood,
    mean_squared_error,
    multi_step_objective,
)
from mocapact_core.distillation.weights import Weighting
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import HIGH_LEVEL, HIGH_LEVEL_SANS_REFERENCE, TIME_INDEX
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.hierarchical import Hierarchical
from mocapact_core.policies.mcp import MCP
from mocapact_core.policies.mlp import MLP
from mocapact_core.policies.modules import GaussianPolicy, Policy, best_device
from mocapact_core.policies.npmp import NPMP, Unrolled
from mocapact_core.rollouts.dataset import Batch, RolloutDataset
from mocapact_core.settings import (
    GPTSettings,
    HierarchicalSettings,
    MCPSettings,
    MLPSettings,
    MultiClipSettings,
    NPMPSettings,
)

GPT_BETAS = (0.9, 0.95)
"""Of AdamW, as in minGPT; the paper names no others."""


@dataclass(frozen=True)
class Recipe:
    """How to train one policy."""

    policy: Policy
    optimizer: torch.optim.Optimizer
    loss: Callable[[Batch], dict[str, Tensor]]
    """Scalars of a batch by name; `loss` is the one to minimise, the others are for the eye."""


def observables_of(settings: MultiClipSettings | GPTSettings) -> tuple[str, ...]:
    if isinstance(settings, GPTSettings):
        return HIGH_LEVEL_SANS_REFERENCE
    return TIME_INDEX if _is_time_indexed(settings) else HIGH_LEVEL


def sequence_of(settings: MultiClipSettings | GPTSettings) -> int:
    """Steps of a training sequence."""
    return settings.block if isinstance(settings, GPTSettings) else settings.sequence


def recipe(
    settings: MultiClipSettings | GPTSettings, dataset: RolloutDataset, ref_steps: list[int]
) -> Recipe:
    """The recipe for `settings`, with a network that is initialised from torch's own random state."""
    if isinstance(settings, GPTSettings):
        return _gpt(settings, dataset)
    if isinstance(settings, NPMPSettings):
        return _npmp(settings, dataset, ref_steps)
    return _gaussian(settings, dataset, ref_steps)


def _gaussian(settings: MultiClipSettings, dataset: RolloutDataset, ref_steps: list[int]) -> Recipe:
    """For all policies without memory: the multi-step objective has no KL divergence where nothing is latent."""
    policy = _gaussian_policy(settings, dataset, ref_steps)
    _prepare(policy, dataset)
    weighting = Weighting(settings.weighting, settings.temperature, dataset)
    forward = _in_training(policy, settings)

    def loss(batch: Batch) -> dict[str, Tensor]:
        mean, std = map(Tensor.float, forward(policy.tensor(batch.observations)))
        mean_actions, weights = policy.tensor(batch.mean_actions), policy.tensor(weighting(batch))
        log_likelihood = weights * gaussian_log_likelihood(mean_actions, mean, std)
        return {
            "loss": -log_likelihood.sum(dim=1).mean(),
            "log_likelihood": log_likelihood.mean(),
            "action_error": mean_squared_error(mean, mean_actions).sqrt(),
        }

    return Recipe(policy, torch.optim.Adam(policy.parameters(), settings.learning_rate), loss)


def _gaussian_policy(
    settings: MultiClipSettings, dataset: RolloutDataset, ref_steps: list[int]
) -> GaussianPolicy:
    seen = (dataset.observables, [] if _is_time_indexed(settings) else ref_steps, dataset.observation_size)
    match settings:
        case MLPSettings():
            return MLP(*seen, settings.hidden)
        case HierarchicalSettings():
            return Hierarchical(
                *seen, settings.intention_size, settings.encoder_hidden, settings.decoder_hidden
            )
        case MCPSettings():
            return MCP(
                *seen,
                settings.primitives,
                settings.gating_hidden,
                settings.shared_hidden,
                settings.primitive_hidden,
                settings.min_std,
            )
    raise TypeError(f"no policy is made from {type(settings).__name__}")


def _is_time_indexed(settings: MultiClipSettings) -> bool:
    return isinstance(settings, MLPSettings) and settings.kind == "time_indexed_mlp"


def _npmp(settings: NPMPSettings, dataset: RolloutDataset, ref_steps: list[int]) -> Recipe:
    policy = NPMP(
        dataset.observables,
        ref_steps,
        dataset.observation_size,
        settings.intention_size,
        settings.encoder_hidden,
        settings.decoder_hidden,
    )
    _prepare(policy, dataset)
    weighting = Weighting(settings.weighting, settings.temperature, dataset)
    unroll = _in_training(policy.unroll, settings)

    def loss(batch: Batch) -> dict[str, Tensor]:
        size, steps = batch.values.shape
        noise = torch.randn(size, steps + 1, settings.intention_size).to(policy.device)
        parts = unroll(policy.tensor(batch.observations), first=noise[:, 0], noise=noise[:, 1:])
        unrolled = Unrolled(*map(Tensor.float, parts))
        mean_actions, weights = policy.tensor(batch.mean_actions), policy.tensor(weighting(batch))
        objective = multi_step_objective(unrolled, mean_actions, weights, settings.beta, settings.alpha)
        return {
            "loss": -objective.total,
            "log_likelihood": objective.log_likelihood,
            "kl": objective.kl,
            "action_error": mean_squared_error(unrolled.action, mean_actions).sqrt(),
        }

    return Recipe(policy, torch.optim.Adam(policy.parameters(), settings.learning_rate), loss)


def _gpt(settings: GPTSettings, dataset: RolloutDataset) -> Recipe:
    if settings.embedding % settings.heads:
        raise InputError(
            f"A GPT has an embedding of {settings.embedding}, which {settings.heads} heads do not divide. "
            "Choose a multiple."
        )
    policy = GPT(
        dataset.observables,
        (),
        dataset.observation_size,
        settings.block,
        settings.embedding,
        settings.layers,
        settings.heads,
        settings.dropout,
    )
    _prepare(policy, dataset)
    forward = _in_training(policy, settings)

    def loss(batch: Batch) -> dict[str, Tensor]:
        actions = forward(policy.tensor(batch.observations)).float()
        error = mean_squared_error(actions, policy.tensor(batch.mean_actions))
        return {"loss": error, "action_error": error.sqrt()}

    optimizer = torch.optim.AdamW(
        decayed(policy, settings.weight_decay), settings.learning_rate, betas=GPT_BETAS
    )
    return Recipe(policy, optimizer, loss)


def _prepare(policy: Policy, dataset: RolloutDataset) -> None:
    policy.normaliser.set(dataset.observation_mean, dataset.observation_variance)
    policy.to(best_device())


def _in_training(
    network: Callable[..., Any], settings: MultiClipSettings | GPTSettings
) -> Callable[..., Any]:
    """`network` compiled and in the precision asked for. What is saved, and acts, is not touched."""
    function = torch.compile(network) if settings.compile else network

    def compute(*arguments: Tensor, **named: Tensor) -> Any:
        with torch.autocast(best_device(), torch.bfloat16, enabled=settings.precision == "bf16"):
            return function(*arguments, **named)

    return compute


def decayed(policy: nn.Module, weight_decay: float) -> list[dict]:
    """Parameter groups in which only the weights of linear layers decay, as in minGPT."""
    weights = [module.weight for module in policy.modules() if isinstance(module, nn.Linear)]
    chosen = {id(weight) for weight in weights}
    others = [parameter for parameter in policy.parameters() if id(parameter) not in chosen]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
