"""What is trained, and the expert that comes of it.

An expert is a policy and a value network of the time-indexed observables, as published. With a critic that sees the
reference as well, training works on a model of its own; its policy is the expert's, and at the end the expert's value
network is fitted to what that policy earns.
"""

from dataclasses import dataclass

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.clips.trajectory import Trajectory
from mocapact_core.envs import TaskVecEnv
from mocapact_core.experts.critic import CRITIC, CriticTask
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.checkpoint import statistics
from mocapact_core.policies.parameters import N_FEATURES
from mocapact_core.policies.ppo import make_ppo
from mocapact_core.policies.privileged import PrivilegedCriticPolicy, PrivilegedPPO
from mocapact_core.policies.published import set_statistics
from mocapact_core.settings import ExpertSettings, TrackingSettings
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask


@dataclass(frozen=True)
class Learner:
    """A model under training on its worlds, and the expert, with worlds to evaluate it in."""

    task: TrackingTask
    env: VecNormalize
    model: PPO
    evaluation_task: TrackingTask
    expert_env: VecNormalize
    expert: PPO
    """`model` itself where its critic sees what the expert sees."""

    @property
    def is_privileged(self) -> bool:
        return self.expert is not self.model

    def update_expert(self) -> None:
        """Give the expert the policy and the statistics as they are."""
        if self.is_privileged:
            _copy(self.model, self.env, self.expert, self.expert_env)
            self.expert.num_timesteps = self.model.num_timesteps
            self.expert._n_updates = self.model._n_updates

    def take_expert(self) -> None:
        """The other way round: go on from the expert's policy."""
        if self.is_privileged:
            _copy(self.expert, self.expert_env, self.model, self.env)


def make_learner(
    segment: Trajectory, settings: ExpertSettings, tracking: TrackingSettings, seed: int
) -> Learner:
    """A learner that has not learned yet."""
    privileged = settings.critic == "privileged"
    observables = (*TIME_INDEX, *CRITIC) if privileged else TIME_INDEX
    task = make_task(segment, observables, settings, tracking, seed)
    evaluation_task = make_task(segment, TIME_INDEX, settings, tracking, seed)
    env = _normalized(task, settings)
    if not privileged:
        model = make_model(env, settings, seed)
        return Learner(task, env, model, evaluation_task, env, model)
    model = make_model(
        env,
        settings,
        seed,
        PrivilegedPPO,
        PrivilegedCriticPolicy,
        policy_features=N_FEATURES,
        critic_learning_rate=settings.critic_learning_rate,
    )
    expert_env = _normalized(evaluation_task, settings)
    expert = make_model(expert_env, settings, seed)
    return Learner(task, env, model, evaluation_task, expert_env, expert)


def make_task(
    segment: Trajectory,
    observables: tuple[str, ...],
    settings: ExpertSettings,
    tracking: TrackingSettings,
    seed: int,
) -> CriticTask:
    return CriticTask(
        References([segment]),
        settings.workers,
        observables=observables,
        ref_steps=tracking.ref_steps,
        min_steps=settings.min_steps,
        start_share=settings.start_share,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
        seed=seed,
    )


def make_model(
    env: VecNormalize,
    settings: ExpertSettings,
    seed: int,
    algorithm: type[PPO] = PPO,
    policy: str | type[PrivilegedCriticPolicy] = "MultiInputPolicy",
    **policy_arguments: float,
) -> PPO:
    """PPO with separate networks for policy and value and a fixed standard deviation."""
    model = make_ppo(
        env,
        "experts",
        settings,
        settings.noise,
        seed,
        algorithm,
        policy,
        policy_arguments,
        learning_rate=settings.learning_rate[0],
    )
    model.policy.log_std.requires_grad_(False)
    return model


def _normalized(task: TrackingTask, settings: ExpertSettings) -> VecNormalize:
    return VecNormalize(TaskVecEnv(task, settings.bootstrap_at_end), gamma=settings.gamma)


@torch.no_grad()
def _copy(source: PPO, source_env: VecNormalize, target: PPO, target_env: VecNormalize) -> None:
    """Parameters of the policy, and the statistics of what both observe."""
    of_source = source.policy.state_dict()
    for name, parameter in target.policy.state_dict().items():
        if name == "log_std" or name.startswith(("mlp_extractor.policy_net", "action_net")):
            parameter.copy_(of_source[name])
    target_env.clip_obs, target_env.epsilon = source_env.clip_obs, source_env.epsilon
    known, copied = statistics(source_env), statistics(target_env)
    for name in known.keys() & copied.keys():
        set_statistics(copied[name], known[name].mean, known[name].var, known[name].count)
