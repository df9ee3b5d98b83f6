"""Starting an expert at the actions that inverse dynamics asks for, instead of at random weights."""

from dataclasses import dataclass

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.tasks.tracking import TrackingTask

ROUNDS = 192  # control steps of every world that the policy is fitted on
GRADIENT_STEPS = 600
BATCH = 512
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Experience:
    """What n worlds saw and earned under the feed-forward, over `ROUNDS` steps."""

    observations: dict[str, np.ndarray]
    """(steps * worlds, size) normalised."""
    targets: np.ndarray
    """(steps * worlds, 56) noiseless feed-forward actions."""
    returns: np.ndarray
    """(steps * worlds,) discounted return, normalised."""


def warm_start(
    model: PPO, env: VecNormalize, task: TrackingTask, actions: np.ndarray, noise: float, seed: int
) -> None:
    """Fit the policy's mean to the feed-forward and its value to the return that the feed-forward earns.

    Args:
        model: changed in place; so are the statistics of `env`.
        actions: (T, 56) feed-forward of the only snippet of `task`.
        noise: standard deviation of the exploration noise, so that the fit covers the states it leads to.
    """
    experience = collect(env, task, actions, noise, model.gamma, seed)
    fit(model, experience, seed)


def collect(
    env: VecNormalize, task: TrackingTask, actions: np.ndarray, noise: float, gamma: float, seed: int
) -> Experience:
    """Run the feed-forward with noise from random starts."""
    rng = np.random.default_rng(seed)
    raw, targets, rewards, dones = [], [], [], []
    env.reset()
    for _ in range(ROUNDS):
        target = actions[task.step_in_snippet]
        raw.append(env.get_original_obs())
        targets.append(target)
        noisy = np.clip(target + noise * rng.standard_normal(target.shape), -1, 1)
        _, _, done, _ = env.step(noisy.astype(np.float32))
        rewards.append(env.get_original_reward())
        dones.append(done)
    observations = {name: np.concatenate([step[name] for step in raw]) for name in raw[0]}
    scale = np.sqrt(env.ret_rms.var + env.epsilon)
    returns = discounted_returns(np.array(rewards), np.array(dones), gamma) / scale
    return Experience(env.normalize_obs(observations), np.concatenate(targets), returns.ravel())


def discounted_returns(rewards: np.ndarray, dones: np.ndarray, gamma: float) -> np.ndarray:
    """(steps, worlds) return from each step to the end of its episode, or to the end of the record."""
    returns = np.zeros_like(rewards)
    following = np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following * ~dones[t]
        returns[t] = following
    return returns


def fit(model: PPO, experience: Experience, seed: int) -> None:
    """Regress mean and value. A fresh optimiser is used and dropped, so that PPO's own starts clean."""
    policy = model.policy
    observations = {name: torch.as_tensor(values) for name, values in experience.observations.items()}
    targets = torch.as_tensor(experience.targets, dtype=torch.float32)
    returns = torch.as_tensor(experience.returns, dtype=torch.float32)
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, GRADIENT_STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(GRADIENT_STEPS):
        rows = torch.randint(len(targets), (BATCH,), generator=generator)
        batch = {name: values[rows] for name, values in observations.items()}
        features = policy.extract_features(batch)
        hidden_policy, hidden_value = policy.mlp_extractor(features)
        action_loss = (policy.action_net(hidden_policy) - targets[rows]).square().sum(dim=1).mean()
        value_loss = (policy.value_net(hidden_value)[:, 0] - returns[rows]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        (action_loss + value_loss).backward()
        optimizer.step()
        schedule.step()
    optimizer.zero_grad(set_to_none=True)
