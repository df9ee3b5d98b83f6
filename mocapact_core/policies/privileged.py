"""PPO of stable-baselines3 whose critic sees more than its policy does, and learns at a rate of its own."""

from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import MlpExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import nn


class PrivilegedCriticPolicy(MultiInputActorCriticPolicy):
    """A policy of the first `policy_features` numbers of an observation, and a critic of all of them.

    The policy's parameters are named as in stable-baselines3's own.

    Args:
        policy_features: how many numbers the policy sees.
        critic_learning_rate: Adam's step size for the critic.
    """

    def __init__(self, *args: Any, policy_features: int, critic_learning_rate: float, **kwargs: Any):
        self.policy_features, self.critic_learning_rate = policy_features, critic_learning_rate
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.net_arch, dict)
        self.mlp_extractor = _Networks(self.features_dim, self.policy_features, self.net_arch)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        critic = [*self.mlp_extractor.value_net.parameters(), *self.value_net.parameters()]
        known = {id(parameter) for parameter in critic}
        policy = [parameter for parameter in self.parameters() if id(parameter) not in known]
        self.optimizer = self.optimizer_class(  # type: ignore[call-arg]
            [{"params": policy}, {"params": critic}], lr=lr_schedule(1), **self.optimizer_kwargs
        )


class _Networks(MlpExtractor):
    def __init__(self, features: int, policy_features: int, net_arch: dict[str, list[int]]):
        super().__init__(features, {"vf": net_arch["vf"]}, nn.ELU, "cpu")
        self.policy_features = policy_features
        policy = MlpExtractor(policy_features, {"pi": net_arch["pi"]}, nn.Tanh, "cpu")
        self.policy_net, self.latent_dim_pi = policy.policy_net, policy.latent_dim_pi

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        return self.policy_net(features[:, : self.policy_features])


class PrivilegedPPO(PPO):
    """PPO on a `PrivilegedCriticPolicy`: its learning rate is the policy's alone."""

    def _update_learning_rate(self, optimizers: Any) -> None:
        super()._update_learning_rate(optimizers)
        assert isinstance(self.policy, PrivilegedCriticPolicy)
        self.policy.optimizer.param_groups[1]["lr"] = self.policy.critic_learning_rate
