"""Running exactly the episodes asked for: each start is assigned in advance and none is dropped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.seeds import derived_seed
from mocapact_core.tasks.task import ALL, Step
from mocapact_core.tasks.tracking import Deviation, TrackingTask

Policy = Callable[[np.ndarray, Any, np.ndarray], tuple[np.ndarray, Any]]
"""policy(observation (n_worlds, D), state, fresh (n_worlds,)) -> (mean action (n_worlds, 56), state).

`fresh` marks the worlds whose episode has just begun. `state` is None at first, then what the policy returned."""


MIN_STEPS = 30
"""Evaluation episodes from random steps begin at least this many before the end (paper, appendix B.1.2)."""
RSI_PER_START = 5
"""Episodes from random steps for each one from the start, in evaluations of policies for many snippets."""


class Recorder(Protocol):
    """Sees every step of every episode. `episodes` (n,) are the indices into the list of starts, `worlds` (n,)
    where they run.

    Steps of an episode come in order; `observation` is the one that the action answered.
    """

    def record(
        self,
        worlds: np.ndarray,
        episodes: np.ndarray,
        observation: np.ndarray,
        mean_actions: np.ndarray,
        actions: np.ndarray,
        step: Step,
    ) -> None: ...

    def finish(self, worlds: np.ndarray, episodes: np.ndarray, last_observation: np.ndarray) -> None: ...


@dataclass(frozen=True)
class Episodes:
    """What came of E episodes, in the order of their starts."""

    snippets: np.ndarray
    """(E,) index of the snippet."""
    starts: np.ndarray
    """(E,) step of the snippet at which the episode began, t0."""
    returns: np.ndarray
    """(E,) sum of rewards, R."""
    lengths: np.ndarray
    """(E,) steps, L."""
    horizons: np.ndarray
    """(E,) the most steps that the episode could have, T - t0."""
    terminated: np.ndarray
    """(E,) bool: ended by the tracking error."""
    joint_errors: np.ndarray
    """(E, 56) absolute joint angle errors in reference order, mean over the steps, radians."""
    body_errors: np.ndarray
    """(E,) distances of the tracked bodies from their places in the reference, mean over bodies and steps, metres."""
    body_errors_from_root: np.ndarray
    """(E,) the same with the root moved to that of the reference at every step."""

    @classmethod
    def at(cls, snippets: np.ndarray, starts: np.ndarray, horizons: np.ndarray) -> "Episodes":
        """Episodes before their first step."""
        n = len(snippets)
        return cls(
            snippets,
            starts,
            returns=np.zeros(n),
            lengths=np.zeros(n, int),
            horizons=horizons,
            terminated=np.zeros(n, bool),
            joint_errors=np.zeros((n, N_JOINTS)),
            body_errors=np.zeros(n),
            body_errors_from_root=np.zeros(n),
        )

    def add(self, running: np.ndarray, step: Step, deviation: Deviation) -> None:
        """Count one more step of the episodes `running` (n,)."""
        self.returns[running] += step.reward
        self.lengths[running] += 1
        self.terminated[running] = step.terminated
        share = 1 / self.lengths[running]
        for means, values in (
            (self.joint_errors.T, deviation.joints.T),
            (self.body_errors, deviation.bodies),
            (self.body_errors_from_root, deviation.bodies_from_root),
        ):
            means[..., running] += share * (values - means[..., running])

    @property
    def normalized_returns(self) -> np.ndarray:
        """(E,) R / (T - t0), paper section 4.1."""
        return self.returns / self.horizons

    @property
    def normalized_lengths(self) -> np.ndarray:
        """(E,) L / (T - t0), paper section 4.1."""
        return self.lengths / self.horizons


def random_starts(
    task: TrackingTask, per_snippet: int, min_steps: int, seed: int | Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """RSI starts: `per_snippet` random steps of each snippet, each at least `min_steps` before the end.

    Args:
        seed: for all snippets alike, or one for each.

    Returns:
        (snippets, steps), each (n_snippets * per_snippet,), snippet by snippet. A snippet's starts depend on
        the seed and its own length alone, not on the snippets beside it.
    """
    choices = np.maximum(1, task.last_steps - min_steps)
    seeds = [seed] * len(choices) if isinstance(seed, int) else seed
    steps = [
        np.random.default_rng(own).integers(n, size=per_snippet)
        for own, n in zip(seeds, choices, strict=True)
    ]
    return np.repeat(np.arange(len(choices)), per_snippet), np.concatenate(steps)


def run_episodes(
    task: TrackingTask,
    snippets: np.ndarray,
    steps: np.ndarray,
    policy: Policy,
    noise: float = 0.0,
    seed: int | Sequence[int] = 0,
    recorder: Recorder | None = None,
) -> Episodes:
    """Run one episode from each start, as many at a time as the task has worlds.

    Args:
        snippets: (E,) index of the snippet each episode tracks.
        steps: (E,) step of that snippet it starts at.
        noise: standard deviation of the Gaussian noise added to the policy's actions.
        seed: of the noise: one for each episode, or one that, with the index of the episode, makes each one's.
    """
    n_episodes = len(snippets)
    seeds = [derived_seed(seed, index) for index in range(n_episodes)] if isinstance(seed, int) else seed
    episodes = Episodes.at(snippets, steps, task.last_steps[snippets] - steps)
    episode = np.full(task.n_worlds, -1)  # the episode each world runs
    fresh = np.zeros(task.n_worlds, bool)
    noises: list[np.random.Generator] = [np.random.default_rng(0)] * task.n_worlds
    observation = np.zeros((task.n_worlds, task.observation_size), np.float32)
    policy_state: Any = None
    started = 0

    def begin(worlds: np.ndarray) -> None:
        nonlocal started
        worlds = worlds[: n_episodes - started]
        if not len(worlds):
            return
        chosen = np.arange(started, started + len(worlds))
        started += len(worlds)
        task.start(worlds, snippets[chosen], steps[chosen])
        episode[worlds], fresh[worlds] = chosen, True
        observation[worlds] = task.observe(worlds)
        for world, index in zip(worlds, chosen.tolist(), strict=True):
            noises[world] = np.random.default_rng(seeds[index])

    begin(np.arange(task.n_worlds))
    while (active := np.flatnonzero(episode >= 0)).size:
        means, policy_state = policy(observation, policy_state, fresh)
        fresh[:] = False
        actions = means[active]
        if noise:
            draws = np.stack([noises[world].standard_normal(N_JOINTS) for world in active])
            actions = actions + noise * draws.astype(actions.dtype)
        worlds = ALL if len(active) == task.n_worlds else active
        step = task.step(actions, worlds)
        running = episode[active]
        if recorder:
            recorder.record(active, running, observation[active], means[active], actions, step)
        episodes.add(running, step, task.deviation(worlds))
        observation[active] = task.observe(worlds)
        if step.done.any():
            ended = active[step.done]
            if recorder:
                recorder.finish(ended, episode[ended], observation[ended])
            episode[ended] = -1
            begin(ended)
    return episodes
