"""The learner of experts and of task policies: PPO of stable-baselines3, as MoCapAct uses it."""

from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from mocapact_core.config import ExpertSettings, TransferSettings
from mocapact_core.errors import InputError


def make_ppo(
    env: VecNormalize,
    section: str,
    settings: ExpertSettings | TransferSettings,
    initial_std: float,
    seed: int,
    **others: Any,
) -> PPO:
    """PPO with separate tanh networks for policy and value.

    Args:
        section: of the configuration that `settings` are, for messages.
        initial_std: standard deviation of the policy at the start.
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
    return PPO(
        "MultiInputPolicy",
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
        },
        seed=seed,
        device="cpu",
        **others,
    )


def update(model: PPO, callbacks: list[BaseCallback]) -> None:
    """One update: a rollout of all workers, and the gradient steps on it. Then the training of `callbacks` ends."""
    steps = model.n_steps * model.n_envs
    never = 2  # to log: each call makes one update, and the losses of that are known only at its end
    model.learn(steps, callbacks, log_interval=never, reset_num_timesteps=False)
