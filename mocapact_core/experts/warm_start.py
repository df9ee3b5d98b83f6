"""Starting an expert at what a teacher does, instead of at random weights.

The teacher knows an action for every state: that of the clip's controls, with feedback of the joints. So the
expert is fitted to it on the states that the expert itself visits (dataset aggregation, Ross et al., 2011): a fit on
the teacher's states alone falls over at its first error.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.experts.controls import Controls
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
    everything = [parameter for parameter in model.policy.parameters() if parameter.requires_grad]
    for round_number in range(ROUNDS):
        lessons.append(_roll_out(model, env, task, teacher, round_number == 0, rng))
        error = _fit(model, env, lessons, generator, everything)
        print(f"warm start {round_number + 1} of {ROUNDS}: action error {error:.3f}", flush=True)
    _settle(env)


def fit_value(model: PPO, env: VecNormalize, task: TrackingTask, seed: int) -> None:
    """Fit a fresh value network to the return that the policy earns as it is, and leave the policy alone.

    Args:
        model, env, task: as for `warm_start`.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    policy, lessons = model.policy, list[Lesson]()
    critic = [*policy.mlp_extractor.value_net.parameters(), *policy.value_net.parameters()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for network in (policy.mlp_extractor.value_net, policy.value_net):
            network.apply(policy.init_weights)
    for _ in range(VALUE_ROUNDS):
        lessons = [*lessons, _roll_out(model, env, task, None, False, rng)]
        lessons = lessons[1 - VALUE_ROUNDS :]  # in the first, little was known of what follows the record
        _fit(model, env, lessons, generator, critic)


def _settle(env: VecNormalize) -> None:
    """Keep the statistics of observations as they are: a policy whose inputs move under it unlearns its fit."""
    for running in _as_dict(env.obs_rms).values():
        running.count = SETTLED


@dataclass(frozen=True)
class Lesson:
    """What all worlds saw in one round, steps and worlds together, and what the teacher says to it."""

    observations: dict[str, np.ndarray]
    """(steps * worlds, size) each, as the task gives them."""
    actions: np.ndarray
    """(steps * worlds, 56) of the teacher, or of the policy where there is none."""
    returns: np.ndarray
    """(steps * worlds,) discounted returns of those who acted."""


def _roll_out(
    model: PPO,
    env: VecNormalize,
    task: TrackingTask,
    teacher: Controls | None,
    teacher_acts: bool,
    rng: np.random.Generator,
) -> Lesson:
    seen, taught, rewards, dones = [], [], [], []
    noise = float(model.policy.log_std.exp()[0])
    observation: Any = env.reset()
    for _ in range(ROUND_STEPS):
        own = model.predict(observation, deterministic=True)[0]
        target = teacher.act(task.physics.state(), task.step_in_snippet) if teacher else own
        mean = target if teacher_acts else own
        seen.append(_as_dict(env.get_original_obs()))
        taught.append(target)
        actions = np.clip(mean + noise * rng.standard_normal(mean.shape), -1, 1)
        observation, _, done, _ = env.step(actions.astype(np.float32))
        rewards.append(env.get_original_reward())
        dones.append(done)
    observations = {name: np.concatenate([step[name] for step in seen]) for name in seen[0]}
    inputs = model.policy.obs_to_tensor(observation)[0]
    with torch.no_grad():
        following = model.policy.predict_values(inputs)[:, 0].numpy() * _scale(env)
    returns = discounted_returns(np.array(rewards), np.array(dones), model.gamma, following)
    return Lesson(observations, np.concatenate(taught), returns.ravel())


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


def _fit(
    model: PPO,
    env: VecNormalize,
    lessons: list[Lesson],
    generator: torch.Generator,
    trained: list[torch.nn.Parameter],
) -> float:
    """Regress mean and value on all lessons. The optimiser is its own, so that PPO's starts clean.

    Returns:
        root mean square of what the last batch of actions differs by from the teacher's.
    """
    together = {
        name: np.concatenate([lesson.observations[name] for lesson in lessons])
        for name in lessons[0].observations
    }
    normalized = _as_dict(env.normalize_obs(together))
    observations = {name: torch.as_tensor(values) for name, values in normalized.items()}
    targets = torch.as_tensor(np.concatenate([lesson.actions for lesson in lessons]), dtype=torch.float32)
    returns = np.concatenate([lesson.returns for lesson in lessons]) / _scale(env)
    values = torch.as_tensor(returns, dtype=torch.float32)
    policy = model.policy
    optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, GRADIENT_STEPS)
    for _ in range(GRADIENT_STEPS):
        rows = torch.randint(len(targets), (BATCH,), generator=generator)
        batch = {name: columns[rows] for name, columns in observations.items()}
        hidden_policy, hidden_value = policy.mlp_extractor(policy.extract_features(batch))
        action_loss = (policy.action_net(hidden_policy) - targets[rows]).square().sum(dim=1).mean()
        value_loss = (policy.value_net(hidden_value)[:, 0] - values[rows]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        (action_loss + value_loss).backward()
        optimizer.step()
        schedule.step()
    optimizer.zero_grad(set_to_none=True)
    return float((action_loss.detach() / targets.shape[1]).sqrt())


def _scale(env: VecNormalize) -> float:
    """What VecNormalize divides rewards by."""
    return float(np.sqrt(env.ret_rms.var + env.epsilon))


def _as_dict(observation: Any) -> dict[str, Any]:
    assert isinstance(observation, dict)
    return observation
