"""Rolling out the experts of a clip with noisy actions, into one file (paper section 4.2).

Every start is decided before the first step and every episode is kept, short ones too. What happens in a
snippet depends on the seed, the snippet and its expert, not on the snippets collected beside it: starts and
noise are drawn from generators of its own.
"""

from collections import defaultdict
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import h5py
import numpy as np
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.config import RolloutSettings, TrackingSettings
from mocapact_core.errors import InputError
from mocapact_core.files import atomic
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import expert_files
from mocapact_core.provenance import as_text, provenance
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.statistics import NO_STATISTICS, Statistics
from mocapact_core.seeds import derived_seed
from mocapact_core.tasks.episodes import Episodes, random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.task import Step
from mocapact_core.tasks.tracking import OBSERVABLES, TrackingTask

GAMMA = 0.95  # discount of the experts, paper Table 5
LAMBDA = 0.95  # of the advantage estimate, paper Table 5


def collect_rollouts(
    trajectory_path: str | PathLike,
    snippets: Sequence[Snippet],
    experts_folder: str | PathLike,
    output: str | PathLike,
    settings: RolloutSettings,
    tracking: TrackingSettings,
    seed: int,
) -> None:
    """Write the rollouts of all experts of one clip. Episodes are written as they end, and then forgotten.

    Args:
        trajectory_path: file of the clip.
        snippets: snippets of that clip, at least one.
        experts_folder: holds a folder for each of them.
        output: HDF5 file, laid out as `layout` tells, with its provenance as an attribute; the same arguments
            make the same bytes.

    Raises:
        InputError: no episode is asked for, an expert is missing, or a snippet is too short to track.
    """
    torch.set_num_threads(1)
    n_start, n_rsi = settings.start_rollouts, settings.rsi_rollouts
    if n_start + n_rsi == 0:
        raise InputError(
            "rollouts.start_rollouts and rollouts.rsi_rollouts are both 0, which leaves nothing to collect. "
            "Set one of them to 1 or more; the published datasets have 10 and 100 of each."
        )
    trajectory = read_trajectory(trajectory_path, snippets[0].clip)
    statistics = NO_STATISTICS
    with atomic(output) as temporary, h5py.File(temporary, "w") as file:
        for snippet in snippets:
            task = TrackingTask(
                References.of_snippets([snippet], trajectory),
                n_worlds=min(settings.workers, n_start + n_rsi),
                observables=OBSERVABLES,
                ref_steps=tracking.ref_steps,
                termination_error=tracking.termination_error,
            )
            recorder = Recorder(file, snippet.name, Expert.load(Path(experts_folder) / snippet.name), task)
            episodes = _roll_out(task, recorder, settings, seed)
            layout.write_metrics(file, snippet.name, n_start, _metrics(episodes))
            statistics += recorder.statistics
        sizes = {name: columns.stop - columns.start for name, columns in task.columns.items()}
        layout.write_header(file, sizes, task.ref_steps.tolist(), n_start, n_rsi)
        layout.write_statistics(file, statistics.published())
        inputs = {"clip": trajectory_path, **expert_files(experts_folder, snippets)}
        file.attrs["provenance"] = as_text(
            provenance({"rollouts": settings, "tracking": tracking}, inputs, seed)
        )


class Recorder:
    """Writes the episodes of one expert to a rollout file, each when it has ended.

    Actions are clipped to [-1, 1], as the simulation does when it executes them and as in the published data.
    """

    def __init__(self, file: h5py.File, snippet: str, expert: Expert, task: TrackingTask):
        self.file, self.snippet, self.expert = file, snippet, expert
        self.inputs = task.columns_of(expert.observables)
        self.statistics = NO_STATISTICS
        self._running: dict[int, list[tuple[np.ndarray, ...]]] = defaultdict(list)

    def policy(self, observation: np.ndarray, state: None, fresh: np.ndarray) -> tuple[np.ndarray, None]:
        """The expert, told what it observes from all there is to observe."""
        return self.expert.predict(observation[:, self.inputs], state)

    def record(
        self,
        episodes: np.ndarray,
        observation: np.ndarray,
        mean_actions: np.ndarray,
        actions: np.ndarray,
        step: Step,
    ) -> None:
        for row, episode in enumerate(episodes):
            self._running[episode].append(
                (observation[row].copy(), actions[row], mean_actions[row], step.reward[row])
            )

    def finish(self, episodes: np.ndarray, last_observation: np.ndarray) -> None:
        for row, number in enumerate(episodes):
            observations, actions, mean_actions, rewards = map(
                np.array, zip(*self._running.pop(number), strict=True)
            )
            rewards = rewards.astype(np.float32)
            values = self.expert.value(observations[:, self.inputs])
            episode = layout.Episode(
                observations=np.concatenate([observations, last_observation[row : row + 1]]),
                actions=np.clip(actions, -1, 1),
                mean_actions=np.clip(mean_actions, -1, 1),
                rewards=rewards,
                values=values,
                advantages=advantages(rewards, values).astype(np.float32),
            )
            layout.write_episode(self.file, self.snippet, number, episode)
            self.statistics += Statistics.of(episode)


def advantages(rewards: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Generalised advantage estimates (Schulman et al., 2016) of one episode, (T,) float64.

    Nothing is expected after the last step, however the episode ended, as in the published data.
    """
    following = np.append(values[1:], 0.0)
    errors = rewards + GAMMA * following - values.astype(np.float64)
    result = np.zeros(len(errors) + 1)
    for t in reversed(range(len(errors))):
        result[t] = errors[t] + GAMMA * LAMBDA * result[t + 1]
    return result[:-1]


def _roll_out(task: TrackingTask, recorder: Recorder, settings: RolloutSettings, seed: int) -> Episodes:
    """S episodes from the start of the only snippet of `task`, then R from random steps of it."""
    start_seed, noise_seed = (
        derived_seed(seed, "rollouts", recorder.snippet, purpose) for purpose in ("starts", "noise")
    )
    _, random_steps = random_starts(task, settings.rsi_rollouts, settings.min_steps, start_seed)
    steps = np.concatenate([np.zeros(settings.start_rollouts, int), random_steps])
    snippets = np.zeros(len(steps), int)
    return run_episodes(task, snippets, steps, recorder.policy, settings.noise, noise_seed, recorder)


def _metrics(episodes: Episodes) -> layout.EpisodeMetrics:
    return layout.EpisodeMetrics(
        episode_returns=episodes.returns,
        episode_lengths=episodes.lengths,
        norm_episode_returns=episodes.normalized_returns,
        norm_episode_lengths=episodes.normalized_lengths,
        early_termination=episodes.terminated,
    )
