"""Starting an expert at what a teacher does, instead of at random weights.

The teacher knows an action for every state: that of the clip's controls, with feedback of the joints. So the
expert is fitted to it on the states that the expert itself visits (dataset aggregation, Ross et al., 2011): a fit on
the teacher's states alone falls over at its first error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.experts.controls import Controls
from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.tasks.tracking import TrackingTask

ROUNDS = 4  # of dataset aggregation; in the first the teacher acts, in the others the expert
VALUE_ROUNDS = 3  # where only the value is fitted
ROUND_STEPS = 48  # control steps of every world in a round
GRADIENT_STEPS = 400  # a round
BATCH = 512
LEARNING_RATE = 1e-3
SETTLED = 1e9  # observations that statistics are said to come from, so that more do not move them


def warm_start(model: PPO, env: VecNormalize, task: TrackingTask, teacher: Controls, seed: int) -> None:
    """Fit the policy's mean to the teacher, and its value to the return that it then earns.

    Args:
        model: changed in place; so are the statistics of `env`.
        task: the worlds under `env`, tracking one snippet.
        teacher: controls along that snippet.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    lessons: list[Lesson] = []

    def taught() -> np.ndarray:
        return teacher.act(task.physics.state(), task.step_in_snippet)

    for round_number in range(ROUNDS):
        lessons.append(_roll_out(model, env, rng, taught, teacher_acts=round_number == 0))
        error = _fit(model, env, lessons, generator)
        print(f"warm start {round_number + 1} of {ROUNDS}: action error {error:.3f}", flush=True)
    _settle(env)


def fit_value(model: PPO, env: VecNormalize, seed: int) -> None:
    """Fit a fresh value network to the return that the policy earns as it is, and leave the policy alone.

    Args:
        model: its value network is changed in place; so are the statistics of `env`, unless it is not training.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    policy, lessons = model.policy, list[Lesson]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for network in (policy.mlp_extractor.value_net, policy.value_net):
            network.apply(policy.init_weights)
    for _ in range(VALUE_ROUNDS):
        lessons = [*lessons, _roll_out(model, env, rng)]
        lessons = lessons[1 - VALUE_ROUNDS :]  # in the first, little was known of what follows the record
        _fit(model, env, lessons, generator)


def _settle(env: VecNormalize) -> None:
    """Keep the statistics of observations as they are: a policy whose inputs move under it unlearns its fit."""
    for running in _as_dict(env.obs_rms).values():
        running.count = SETTLED


@dataclass(frozen=True)
class Lesson:
    """What all worlds saw in one round, steps and worlds together, and what the teacher says to it."""

    observations: dict[str, np.ndarray]
    """(steps * worlds, size) each, as the task gives them."""
    actions: np.ndarray | None
    """(steps * worlds, 56) of the teacher; None where there is none."""
    returns: np.ndarray
    """(steps * worlds,) discounted returns of those who acted."""


def _roll_out(
    model: PPO,
    env: VecNormalize,
    rng: np.random.Generator,
    teacher: Callable[[], np.ndarray] | None = None,
    teacher_acts: bool = False,
) -> Lesson:
    """Let the policy act, or its teacher, who says what to do in the present state of all worlds."""
    seen, taught, rewards, dones = [], [], [], []
    noise = float(model.policy.log_std.exp()[0])
    observation: Any = env.reset()
    for _ in range(ROUND_STEPS):
        if teacher:
            taught.append(teacher())
        mean = taught[-1] if teacher_acts else model.predict(observation, deterministic=True)[0]
        seen.append(_as_dict(env.get_original_obs()))
        actions = np.clip(mean + noise * rng.standard_normal(mean.shape), -1, 1)
        observation, _, done, _ = env.step(actions.astype(np.float32))
        rewards.append(env.get_original_reward())
        dones.append(done)
    observations = {name: np.concatenate([step[name] for step in seen]) for name in seen[0]}
    inputs = model.policy.obs_to_tensor(observation)[0]
    with torch.no_grad():
        following = model.policy.predict_values(inputs)[:, 0].numpy() * _scale(env)
    returns = discounted_returns(np.array(rewards), np.array(dones), model.gamma, following)
    return Lesson(observations, np.concatenate(taught) if teacher else None, returns.ravel())


def discounted_returns(
    rewards: np.ndarray, dones: np.ndarray, gamma: float, following: np.ndarray
) -> np.ndarray:
    """(steps, worlds) return from each step to the end of its episode.

    Args:
        rewards, dones: (steps, worlds)
        following: (worlds,) what is expected to come after the record.
    """
    returns = np.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * np.where(dones[t], 0.0, following)
        returns[t] = following
    return returns


def _fit(model: PPO, env: VecNormalize, lessons: list[Lesson], generator: torch.Generator) -> float:
    """Regress the value on all lessons, and the mean where a teacher gave them.

    The optimiser is its own, so that PPO's starts clean.

    Returns:
        root mean square of what the last batch of actions differs by from the teacher's.
    """
    together = {
        name: np.concatenate([lesson.observations[name] for lesson in lessons])
        for name in lessons[0].observations
    }
    normalized = _as_dict(env.normalize_obs(together))
    observations = {name: torch.as_tensor(values) for name, values in normalized.items()}
    actions = [lesson.actions for lesson in lessons if lesson.actions is not None]
    targets = torch.as_tensor(np.concatenate(actions), dtype=torch.float32) if actions else None
    returns = np.concatenate([lesson.returns for lesson in lessons]) / _scale(env)
    values = torch.as_tensor(returns, dtype=torch.float32)
    policy = model.policy
    action_loss = torch.zeros(())
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, GRADIENT_STEPS)
    for _ in range(GRADIENT_STEPS):
        rows = torch.randint(len(values), (BATCH,), generator=generator)
        batch = {name: columns[rows] for name, columns in observations.items()}
        features = policy.extract_features(batch)
        assert isinstance(features, torch.Tensor), "policy and value share their features"
        if targets is not None:
            means = policy.action_net(policy.mlp_extractor.forward_actor(features))
            action_loss = (means - targets[rows]).square().sum(dim=1).mean()
        predicted = policy.value_net(policy.mlp_extractor.forward_critic(features))[:, 0]
        value_loss = (predicted - values[rows]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        (action_loss + value_loss).backward()
        optimizer.step()
        schedule.step()
    optimizer.zero_grad(set_to_none=True)
    return float((action_loss.detach() / N_JOINTS).sqrt())


def _scale(env: VecNormalize) -> float:
    """What VecNormalize divides rewards by."""
    return float(np.sqrt(env.ret_rms.var + env.epsilon))


def _as_dict(observation: Any) -> dict[str, Any]:
    assert isinstance(observation, dict)
    return observation
