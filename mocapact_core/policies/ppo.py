"""The learner of experts and of task policies: PPO of stable-baselines3, as MoCapAct uses it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from mocapact_core.errors import InputError
from mocapact_core.policies.onednn import use_onednn
from mocapact_core.settings import ExpertSettings, TransferSettings

STEP_SIZES = (1e-6, 2e-3)
"""The least and the largest that a step size is adapted to."""


def make_ppo(
    env: VecNormalize,
    section: str,
    settings: ExpertSettings | TransferSettings,
    initial_std: float,
    seed: int,
    algorithm: type[PPO] = PPO,
    policy: str | type[ActorCriticPolicy] = "MultiInputPolicy",
    policy_arguments: Mapping[str, Any] | None = None,
    **others: Any,
) -> PPO:
    """PPO with separate tanh networks for policy and value.

    Args:
        section: of the configuration that `settings` are, for messages.
        initial_std: standard deviation of the policy at the start.
        algorithm, policy: another learner, and its kind of policy with more arguments.
        **others: more keyword arguments of PPO, the step size among them.

    Raises:
        InputError: the workers do not divide the steps of an update.
    """
    if settings.steps_per_update % env.num_envs:
        raise InputError(
            f"{section}.steps_per_update is {settings.steps_per_update}, which {section}.workers "
            f"({env.num_envs}) does not divide. Choose a multiple."
        )
    hidden = list(settings.hidden)
    model = algorithm(
        policy,
        env,
        n_steps=settings.steps_per_update // env.num_envs,
        batch_size=settings.minibatch,
        n_epochs=settings.epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        max_grad_norm=settings.max_grad_norm,
        policy_kwargs={
            "net_arch": {"pi": hidden, "vf": hidden},
            "activation_fn": nn.Tanh,
            "log_std_init": float(np.log(initial_std)),
            "optimizer_kwargs": {"eps": 1e-5, "fused": True},
            **(policy_arguments or {}),
        },
        seed=seed,
        device="cpu",
        **others,
    )
    use_onednn(model.policy)
    return model


def update(model: PPO, callbacks: list[BaseCallback]) -> None:
    """One update: a rollout of all workers, and the gradient steps on it. Then the training of `callbacks` ends."""
    steps = model.n_steps * model.n_envs
    never = 2  # to log: each call makes one update, and the losses of that are known only at its end
    model.learn(steps, callbacks, log_interval=never, reset_num_timesteps=False)


class FollowKL(BaseCallback):
    """Adapts the policy's step size after every update towards a KL divergence between the policies before and after it.

    The step size is that of the optimiser's first parameters, and is kept with it in checkpoints.

    Args:
        target: KL divergence of an update, nats.
        annealing_from: environment steps after which the target falls, to a tenth at `total` steps.
        total: environment steps of the training.
    """

    def __init__(self, target: float, annealing_from: int, total: int):
        super().__init__()
        self.target, self.annealing_from, self.total = target, annealing_from, total

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        assert "train/approx_kl" in self.logger.name_to_value, "the logger has been dumped before"
        group = self.model.policy.optimizer.param_groups[0]
        reached = self.logger.name_to_value["train/approx_kl"]
        group["lr"] = adapted(group["lr"], reached, self.target * self.share())

    def share(self) -> float:
        """Of the target, after the steps so far."""
        left = max(0, self.total - self.num_timesteps) / max(1, self.total - self.annealing_from)
        return min(1.0, 0.1 + 0.9 * left)


def adapted(step_size: float, reached: float, target: float) -> float:
    """A fifth more or less where the KL divergence is not within 30 % of its target."""
    if reached > 1.3 * target:
        step_size /= 1.2
    elif reached < target / 1.3:
        step_size *= 1.2
    return min(max(step_size, STEP_SIZES[0]), STEP_SIZES[1])
