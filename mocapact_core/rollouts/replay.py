"""Do recorded actions still do what they did? Rollouts replayed in the simulator that is installed here.

Files outlive simulators: the published rollouts were made with an older MuJoCo. A replay tells how far the
present one is from that which recorded, step by step and over whole episodes.
"""

from os import PathLike

import h5py
import mujoco
import numpy as np

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.humanoid.model import load_model
from mocapact_core.humanoid.observables import PROPRIOCEPTION
from mocapact_core.humanoid.physics import Physics
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.recorded import (
    MOTION,
    POSE,
    Columns,
    check_recorded,
    recorded_qpos,
    recorded_qvel,
    start_on,
)
from mocapact_core.rollouts.replay_report import LIMITS, Course, Drift, Replay
from mocapact_core.settings import TrackingSettings
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import OBSERVABLES, REFERENCE, TrackingTask

STATE = (*POSE, *MOTION, "actuator_activation")
"""The observables that hold the state of the simulation."""
REPEATABLE = tuple(name for name in OBSERVABLES if name != "reference_ego_bodies_quats")
"""What is compared: in files of dm_control the one left out holds what it was at another frame (see `tasks.tracking`)."""
WORLDS = 64  # states simulated side by side
NOT_RECORDED = "not recorded"


def replay(path: str | PathLike, clip: str | PathLike | None = None, episodes: int = 4) -> Replay:
    """Replay some episodes of a rollout file, ours or a published one.

    Args:
        clip: motion file that holds the clip. Without one, only single steps are replayed, and observables of
            the reference are not looked at.
        episodes: of each snippet, spread over those from the start and those from random steps.

    Raises:
        InputError: the file or the motion cannot be read, they do not belong together, or the recorded
            observables do not tell the state.
    """
    deviations: dict[str, list[np.ndarray]] = {}
    courses: list[Course] = []
    n_episodes = n_steps = 0
    with layout.open_rollouts(path) as file:
        columns = layout.observable_columns(file)
        check_recorded(columns, (*STATE, "time_in_clip") if clip else STATE, "a replay")
        physics = Physics(WORLDS)
        for snippet in layout.snippet_names(file):
            chosen = _chosen(file, snippet, episodes)
            task = _task(file, snippet, clip, len(chosen)) if clip else None
            for episode in chosen.values():
                n_episodes, n_steps = n_episodes + 1, n_steps + len(episode)
                for name, off in _single_steps(physics, episode, columns, task).items():
                    deviations.setdefault(name, []).append(off)
            if task:
                failed = layout.read_metrics(file, snippet).early_termination
                courses += _whole_episodes(task, snippet, chosen, columns, failed)
        recorded_with = (layout.origin(file) or {}).get("versions", {}).get("mujoco", NOT_RECORDED)
    drifts = {name: _drift(np.concatenate(parts)) for name, parts in deviations.items()}
    return Replay(str(path), recorded_with, mujoco.__version__, n_episodes, n_steps, drifts, courses)


def _chosen(file: h5py.File, snippet: str, n: int) -> dict[int, layout.Episode]:
    """Some episodes of a snippet by their number, spread evenly."""
    total = len(file[f"{snippet}/early_termination"])
    numbers = np.unique(np.linspace(0, total - 1, min(n, total)).round().astype(int)).tolist()
    return {k: layout.read_episode(file, snippet, k) for k in numbers}


def _task(file: h5py.File, snippet: str, clip: str | PathLike, n_worlds: int) -> TrackingTask:
    """The task that was recorded, observing what was recorded of it."""
    parsed = parse_snippet(snippet)
    tracking = (layout.origin(file) or {}).get("settings", {}).get("tracking", {})
    default = TrackingSettings().termination_error
    return TrackingTask(
        References.of_snippets([parsed], read_trajectory(clip, parsed.clip)),
        n_worlds,
        [name for name in layout.observable_columns(file) if name in REPEATABLE],
        file["ref_steps"][()],
        termination_error=tracking.get("termination_error", default),
    )


def _off(replayed: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """(n,) the largest drift of each row of (n, D), compared in 32 bits as recorded."""
    off = np.abs(replayed.astype(np.float32) - recorded) / np.maximum(1, np.abs(recorded))
    return off.max(axis=1)


def _drift(off: np.ndarray) -> Drift:
    return Drift(float(np.median(off)), float(np.percentile(off, 99)), float(off.max()))


# ---- One step from each recorded state


def _single_steps(
    physics: Physics, episode: layout.Episode, columns: Columns, task: TrackingTask | None
) -> dict[str, np.ndarray]:
    """(T,) by observable: how far one step leads from where it led when it was recorded.

    The solver starts cold, from a state in 32 bits: forces of contacts, and what feels them, come out less
    exactly than positions.
    """
    observations, steps = episode.observations, len(episode)
    start = start_on(task.references, observations, columns) if task else 0
    sign = task.references.qpos[start, 3:7] if task else np.array([1.0, 0, 0, 0])
    recorded = _states(observations[:-1], columns, sign)
    names = [name for name in REPEATABLE if name in PROPRIOCEPTION or (task and name in REFERENCE)]
    result = {name: np.empty(steps) for name in names if name in columns}
    for first in range(0, steps, physics.n_worlds):
        rows = np.arange(first, min(first + physics.n_worlds, steps))
        physics.restore(recorded, np.resize(rows, physics.n_worlds))
        worlds = np.arange(len(rows))
        physics.step(episode.actions[rows], worlds)
        state = physics.state(worlds)
        for name, off in result.items():
            if name in PROPRIOCEPTION:
                values = PROPRIOCEPTION[name](state)
            elif task:
                ahead = task.references.at(start + 1 + rows[:, None] + task.ref_steps)
                values = REFERENCE[name](state, ahead).reshape(len(rows), -1)
            off[rows] = _off(values, observations[rows + 1][:, columns[name]])
    return result


def _states(observations: np.ndarray, columns: Columns, quaternion: np.ndarray) -> dict[str, np.ndarray]:
    """Recorded states as a snapshot of physics, a world a row."""
    n, model = len(observations), load_model()
    qpos = recorded_qpos(observations, columns, quaternion)
    return {
        "qpos": qpos,
        "previous_qpos": qpos,
        "qvel": recorded_qvel(observations, columns),
        "act": observations[:, columns["actuator_activation"]],
        "ctrl": np.zeros((n, model.nu)),
        "time": np.zeros(n),
        "qacc_warmstart": np.zeros((n, model.nv)),
    }


# ---- Whole episodes from their start


def _whole_episodes(
    task: TrackingTask,
    snippet: str,
    episodes: dict[int, layout.Episode],
    columns: Columns,
    failed: np.ndarray,
) -> list[Course]:
    """Apply the recorded actions from the frame of the reference on, one episode a world, to the recorded end.

    Args:
        episodes: by their number, as many as the task has worlds.
        failed: (S + R,) recorded early_termination.
    """
    recorded = list(episodes.values())
    lengths = np.array([len(episode) for episode in recorded])
    picked = np.concatenate([columns[name] for name in task.observables])
    drift, reward_off = np.zeros((2, len(recorded), lengths.max() + 1))
    ended = np.zeros(len(recorded), int)
    failed_now = np.zeros(len(recorded), bool)
    starts = [start_on(task.references, episode.observations, columns) for episode in recorded]
    task.start(np.arange(len(recorded)), np.zeros(len(recorded), int), np.array(starts))
    for t in range(lengths.max() + 1):
        worlds = np.flatnonzero(lengths >= t)
        if t:
            step = task.step(np.stack([recorded[i].actions[t - 1] for i in worlds]), worlds)
            rewards = np.array([recorded[i].rewards[t - 1] for i in worlds])
            reward_off[worlds, t] = np.abs(step.reward.astype(np.float32) - rewards)
            first = worlds[step.done & (ended[worlds] == 0)]
            failed_now[worlds] |= step.terminated & (ended[worlds] == 0)
            ended[first] = t
        there = np.stack([recorded[i].observations[t, picked] for i in worlds])
        drift[worlds, t] = _off(task.observe(worlds), there)
    return [
        Course(
            snippet=snippet,
            episode=k,
            steps=int(lengths[i]),
            drift=float(drift[i].max()),
            first_over={f"{limit:g}": _first(drift[i] > limit) for limit in LIMITS},
            reward_difference=float(reward_off[i].max()),
            same_end=bool(ended[i] == lengths[i] and failed_now[i] == failed[k]),
        )
        for i, k in enumerate(episodes)
    ]


def _first(over: np.ndarray) -> int | None:
    return int(over.argmax()) if over.any() else None
