"""Rolling out the experts of a clip with noisy actions, into one file (paper section 4.2).

All snippets of the clip share the worlds. Every start is decided before the first step and every episode is
kept, short ones too. What happens in a snippet depends on the seed, the snippet and its expert, not on the
snippets collected beside it: starts and noise are drawn from generators of its own.
"""

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import h5py
import numpy as np
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import Trajectory, read_trajectory
from mocapact_core.errors import InputError
from mocapact_core.experts.together import Experts
from mocapact_core.files import writing_hdf5
from mocapact_core.humanoid.cameras import Cameras
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import expert_files
from mocapact_core.provenance import as_text, provenance
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.statistics import NO_STATISTICS, Statistics
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import RolloutSettings, TrackingSettings
from mocapact_core.tasks.episodes import Episodes, random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.task import Step
from mocapact_core.tasks.tracking import NOT_RECOMPUTABLE, OBSERVABLES, TrackingTask

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
            make the same bytes, whatever `settings.threads` is.

    Raises:
        InputError: no episode is asked for, an expert is missing, an observable is unknown, or a snippet is too
            short to track.
        RenderingUnavailable: pictures are asked for, and this machine cannot make any.
    """
    torch.set_num_threads(1)
    if settings.start_rollouts + settings.rsi_rollouts == 0:
        raise InputError(
            "rollouts.start_rollouts and rollouts.rsi_rollouts are both 0, which leaves nothing to collect. "
            "Set one of them to 1 or more; the published datasets have 10 and 100 of each."
        )
    inputs = {"clip": trajectory_path, **expert_files(experts_folder, snippets)}
    record = provenance(
        {"rollouts": settings.model_dump(exclude={"threads"}), "tracking": tracking}, inputs, seed
    )
    task = _task(read_trajectory(trajectory_path, snippets[0].clip), snippets, settings, tracking)
    experts = Experts(task, [Path(experts_folder) / snippet.name for snippet in snippets])
    with contextlib.ExitStack() as stack:
        cameras = stack.enter_context(Cameras(settings.cameras)) if settings.cameras else None
        file = stack.enter_context(writing_hdf5(output))
        recorder = Recorder(file, snippets, experts, settings, cameras)
        episodes = _roll_out(recorder, seed)
        for index, snippet in enumerate(snippets):
            metrics = _metrics(episodes, episodes.snippets == index)
            layout.write_metrics(file, snippet.name, settings.start_rollouts, metrics)
        layout.write_header(
            file, recorder.sizes, task.ref_steps.tolist(), settings.start_rollouts, settings.rsi_rollouts
        )
        layout.write_statistics(file, recorder.statistics.published())
        file.attrs["provenance"] = as_text(record)


def stored_observables(settings: RolloutSettings) -> list[str]:
    """The observables of a rollout file, in the order of its columns."""
    choices = {"all": OBSERVABLES, "proprioception": NOT_RECOMPUTABLE}
    return sorted(
        choices[settings.observables] if isinstance(settings.observables, str) else set(settings.observables)
    )


class Recorder:
    """Writes episodes to a rollout file, each when it has ended: S + R of the first snippet, then of the second ...

    Actions are clipped to [-1, 1], as the simulation does when it executes them and as in the published data.
    """

    def __init__(
        self,
        file: h5py.File,
        snippets: Sequence[Snippet],
        experts: Experts,
        settings: RolloutSettings,
        cameras: Cameras | None = None,
    ):
        self.file, self.snippets, self.experts = file, snippets, experts
        self.task, self.settings, self.cameras = experts.task, settings, cameras
        stored = stored_observables(settings)
        self.sizes = {name: self.task.sizes[name] for name in stored}
        self.columns = self.task.columns_of(stored)
        self.statistics = NO_STATISTICS
        self._running: dict[int, list[tuple[np.ndarray, ...]]] = defaultdict(list)
        self._pictures: dict[int, list[dict[str, np.ndarray]]] = {}

    def policy(self, observation: np.ndarray, state: None, fresh: np.ndarray) -> tuple[np.ndarray, None]:
        """The experts, and a look at where the worlds (n_worlds,) `fresh` begin."""
        for world in np.flatnonzero(fresh).tolist():
            self._pictures[world] = []
            self._take_pictures(world)
        return self.experts.policy(observation, state, fresh)

    def record(
        self,
        worlds: np.ndarray,
        episodes: np.ndarray,
        observation: np.ndarray,
        mean_actions: np.ndarray,
        actions: np.ndarray,
        step: Step,
    ) -> None:
        for row, (world, episode) in enumerate(zip(worlds, episodes, strict=True)):
            self._running[episode].append(
                (observation[row].copy(), actions[row], mean_actions[row], step.reward[row])
            )
            self._take_pictures(world)

    def finish(self, worlds: np.ndarray, episodes: np.ndarray, last_observation: np.ndarray) -> None:
        per_snippet = self.settings.start_rollouts + self.settings.rsi_rollouts
        for world, number, last in zip(worlds, episodes, last_observation, strict=True):
            index, k = divmod(int(number), per_snippet)
            snippet = self.snippets[index].name
            episode = self._episode(self._running.pop(number), last, self.experts[index])
            layout.write_episode(self.file, snippet, k, episode, self.settings.compression)
            self.statistics += Statistics.of(episode)
            if self.cameras:
                frames = self._pictures.pop(world)
                pictures = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
                layout.write_pictures(self.file, snippet, k, pictures, self.settings.compression)

    def _episode(
        self, steps: list[tuple[np.ndarray, ...]], last_observation: np.ndarray, expert: Expert
    ) -> layout.Episode:
        observations, actions, mean_actions, rewards = map(np.array, zip(*steps, strict=True))
        rewards = rewards.astype(np.float32)
        values = expert.value(observations[:, self.experts.inputs])
        return layout.Episode(
            observations=np.concatenate([observations, last_observation[None]])[:, self.columns],
            actions=np.clip(actions, -1, 1),
            mean_actions=np.clip(mean_actions, -1, 1),
            rewards=rewards,
            values=values,
            advantages=advantages(rewards, values).astype(np.float32),
        )

    def _take_pictures(self, world: int) -> None:
        if self.cameras:
            self._pictures[world].append(self.cameras.pictures(self.task.physics.data(world)))


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


def _task(
    trajectory: Trajectory, snippets: Sequence[Snippet], settings: RolloutSettings, tracking: TrackingSettings
) -> TrackingTask:
    """Worlds for all snippets, observing what is stored and what experts see."""
    n_episodes = len(snippets) * (settings.start_rollouts + settings.rsi_rollouts)
    return TrackingTask(
        References.of_snippets(snippets, trajectory),
        n_worlds=min(settings.workers, n_episodes),
        observables=sorted({*stored_observables(settings), *Expert.observables}),
        ref_steps=tracking.ref_steps,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
    )


def _roll_out(recorder: Recorder, seed: int) -> Episodes:
    """Of each snippet S episodes from its start, then R from random steps of it."""
    task, settings = recorder.task, recorder.settings
    n_start, n_rsi = settings.start_rollouts, settings.rsi_rollouts
    seeds = {
        purpose: [derived_seed(seed, "rollouts", snippet.name, purpose) for snippet in recorder.snippets]
        for purpose in ("starts", "noise")
    }
    _, random_steps = random_starts(task, n_rsi, settings.min_steps, seeds["starts"])
    steps = np.pad(random_steps.reshape(len(recorder.snippets), n_rsi), ((0, 0), (n_start, 0)))
    snippets = np.repeat(np.arange(len(recorder.snippets)), n_start + n_rsi)
    noise_seeds = [derived_seed(own, k) for own in seeds["noise"] for k in range(n_start + n_rsi)]
    return run_episodes(task, snippets, steps.ravel(), recorder.policy, settings.noise, noise_seeds, recorder)


def _metrics(episodes: Episodes, chosen: np.ndarray) -> layout.EpisodeMetrics:
    return layout.EpisodeMetrics(
        episode_returns=episodes.returns[chosen],
        episode_lengths=episodes.lengths[chosen],
        norm_episode_returns=episodes.normalized_returns[chosen],
        norm_episode_lengths=episodes.normalized_lengths[chosen],
        early_termination=episodes.terminated[chosen],
    )
