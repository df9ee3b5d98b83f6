"""Many worlds as gymnasium's VectorEnv: what `gymnasium.make_vec` gives."""

from typing import Any, ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.vec_env import VecEnv


class VectorWorlds(VectorEnv):
    """The worlds of a `TaskVecEnv`, or of one that acts through a low-level policy, stepped together.

    Worlds whose episode ends are reset in the same step; their last observation is in the info, `final_obs`, and return
    and length of their episode in `final_info`.
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # type: ignore[misc]

    def __init__(self, worlds: VecEnv):
        self.worlds = worlds
        self.num_envs = worlds.num_envs
        self.single_observation_space = worlds.observation_space
        self.single_action_space = worlds.action_space
        self.observation_space = batch_space(worlds.observation_space, self.num_envs)
        self.action_space = batch_space(worlds.action_space, self.num_envs)

    def reset(self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None):
        """Begin new episodes everywhere. One seed is for all worlds together; of a list the first counts."""
        if isinstance(seed, list):
            seed = seed[0]
        super().reset(seed=seed)
        if seed is not None:
            self.worlds.seed(seed)
        return self.worlds.reset(), {}

    def step(self, actions: np.ndarray):
        observation, rewards, done, infos = self.worlds.step(actions)
        truncated = np.array([info.get("TimeLimit.truncated", False) for info in infos])
        told: dict[str, Any] = {}
        for world in np.flatnonzero(done):
            episode = infos[world]["episode"]
            final = {
                "final_obs": infos[world]["terminal_observation"],
                "final_info": {"return": episode["r"], "length": episode["l"]},
            }
            told = self._add_info(told, final, int(world))
        return observation, rewards, done & ~truncated, truncated, told
