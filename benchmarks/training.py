"""How fast is training? Ours against stable-baselines3's PPO on dm_control's environment, side by side in one run.

    OMP_WAIT_POLICY=passive python -m benchmarks.training [--recipes paper fast] [--policies untrained tracking]

Both train the same networks on the same motion with the same minibatch, epochs and observables, from the same files: ours
writes a model and a normaliser, stable-baselines3 loads them on a SubprocVecEnv of dm_control's tracking environment,
as it comes and with the grey ghost that MoCapAct trained with. `paper` and `fast` are the recipes of config/paper.yaml and
config.yaml. Episodes are short from random weights, where the published training starts, and long after a warm start.
Rounds take turns, so that a machine that is busy for a while is busy for all; times are CPU seconds, user and system, of
this process and its children, one thread each. A round collects fewer steps than a recipe does between updates, which
changes nothing of what a step costs.

Of `fast`, the size of network and batch count: its privileged critic and adapted step size, which stable-baselines3
lacks, are left out on both sides.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import psutil
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize

from benchmarks.simulation import MOTION, dm_control_environment
from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.config import load_config
from mocapact_core.envs import TaskVecEnv, action_space
from mocapact_core.experts.controls import inverse_dynamics
from mocapact_core.experts.warm_start import warm_start
from mocapact_core.humanoid.observables import PREFIX, TIME_INDEX
from mocapact_core.policies.ppo import make_ppo
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.settings import ExpertSettings
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

RECIPES = {"paper": ("config.yaml", "config/paper.yaml"), "fast": ("config.yaml",)}
PROCESSES = 8  # of the SubprocVecEnv, as in the README of MoCapAct
SEED = 1


class DmControlEnv(gymnasium.Env):
    """dm_control's environment in gymnasium's terms, as MoCapAct wraps it; the end of a snippet is no time limit."""

    def __init__(self, path: Path, ghost: bool, seed: int):
        self.environment = dm_control_environment(path, TIME_INDEX, ghost, seed)
        sizes = {PREFIX + name: self._size(PREFIX + name) for name in TIME_INDEX}
        self.observation_space = gymnasium.spaces.Dict(
            {name: gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32) for name, size in sizes.items()}
        )
        self.action_space = action_space()

    def _size(self, name: str) -> int:
        return int(np.prod(self.environment.observation_spec()[name].shape))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.total, self.length = 0.0, 0
        return self._observation(self.environment.reset()), {}

    def step(self, action):
        timestep = self.environment.step(action)
        self.total, self.length = self.total + timestep.reward, self.length + 1
        episode = {"episode": {"r": self.total, "l": self.length, "t": 0.0}} if timestep.last() else {}
        return self._observation(timestep), timestep.reward, timestep.last(), False, episode

    def _observation(self, timestep) -> dict[str, np.ndarray]:
        return {
            name: np.asarray(timestep.observation[name], np.float32).reshape(space.shape)
            for name, space in self.observation_space.spaces.items()
        }


def cpu_seconds() -> float:
    """Of this process and its children, so far."""
    process = psutil.Process()
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


class CollectionTime(BaseCallback):
    """CPU seconds spent between the beginnings and ends of rollouts."""

    seconds = 0.0

    def _on_rollout_start(self) -> None:
        self.began = cpu_seconds()

    def _on_rollout_end(self) -> None:
        self.seconds += cpu_seconds() - self.began

    def _on_step(self) -> bool:
        return True


def run(model: PPO, n_steps: int) -> tuple[float, float]:
    """CPU milliseconds an environment step of collection and of update."""
    collection, began = CollectionTime(), cpu_seconds()
    model.learn(n_steps, callback=collection, reset_num_timesteps=False)
    together = cpu_seconds() - began
    return 1e3 * collection.seconds / n_steps, 1e3 * (together - collection.seconds) / n_steps


def ours(settings: ExpertSettings, policy: str) -> PPO:
    trajectory = builtin_trajectory(MOTION)
    task = TrackingTask(References([trajectory]), settings.workers, TIME_INDEX, seed=SEED)
    env = VecNormalize(TaskVecEnv(task, bootstrap_at_end=False), gamma=settings.gamma)
    model = make_ppo(env, "experts", settings, settings.noise, SEED, learning_rate=settings.learning_rate[0])
    model.policy.log_std.requires_grad_(False)
    if policy == "tracking":
        warm_start(model, env, task, inverse_dynamics(trajectory), SEED)
    return model


def stable_baselines3(folder: Path, n_steps: int, ghost: bool) -> PPO:
    """PPO as stable-baselines3 loads it from our files, on dm_control's environment."""
    makers = [partial(DmControlEnv, folder / "motion.h5", ghost, seed) for seed in range(PROCESSES)]
    env = VecNormalize.load(str(folder / "normalizer.pkl"), SubprocVecEnv(makers))
    return PPO.load(folder / "model.zip", env=env, device="cpu", n_steps=n_steps // PROCESSES)


def episode_length(model: PPO) -> float:
    assert model.ep_info_buffer is not None
    return float(np.mean([episode["l"] for episode in model.ep_info_buffer]))


def compare(recipe: str, policy: str, n_steps: int, rounds: int) -> None:
    settings = load_config(*RECIPES[recipe]).experts.model_copy(update={"steps_per_update": n_steps})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_trajectory(folder / "motion.h5", builtin_trajectory(MOTION))
        first = ours(settings, policy)
        save_model(first, folder / "model.zip", {})
        normalizer = first.get_vec_normalize_env()
        assert normalizer is not None
        save_normalizer(normalizer, folder / "normalizer.pkl")
        models = [first, *(stable_baselines3(folder, n_steps, ghost) for ghost in (False, True))]
        for model in models:  # past the starts that all worlds share
            run(model, n_steps)
        times = np.array([[run(model, n_steps) for model in models] for _ in range(rounds)])
        for model in models[1:]:
            model.get_env().close()
    together = times.sum(axis=2)
    collection, update = np.median(times, axis=0).T
    ratios = np.median(together / together[:, :1], axis=0)
    names = [
        f"ours, {settings.workers} worlds",
        f"dm_control, {PROCESSES} processes",
        f"dm_control, ghost, {PROCESSES} processes",
    ]
    print(f"{recipe} recipe, {policy} policy: CPU ms a step, collection + update, median of {rounds} rounds")
    for i, model in enumerate(models):
        total = float(np.median(together[:, i]))
        print(
            f"  {names[i]:32s}{collection[i]:7.3f} +{update[i]:6.3f} ={total:7.3f}, {1e3 / total:5.0f} steps a second"
            f" (episodes of {episode_length(model):.0f} steps)"
            + (f": ours is {ratios[i]:.1f} times as fast" if i else ""),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--policies", nargs="+", default=["untrained", "tracking"])
    parser.add_argument("--steps", type=int, default=2048, help="environment steps of a round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for recipe in arguments.recipes:
        for policy in arguments.policies:
            compare(recipe, policy, arguments.steps, arguments.rounds)


if __name__ == "__main__":
    main()
