"""What videos and pictures show: an expert beside its reference, or GPT beside the expert that gave the prompt.

Other policies are in modules of their own, `policy_playback` and `transfer_playback`: their code changes no picture here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.errors import InputError, nearest
from mocapact_core.experts.watching import in_one_world
from mocapact_core.figures.inputs import read_arrays
from mocapact_core.humanoid.markers import Marker
from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.humanoid.render import BLUE, BRONZE, GREY
from mocapact_core.settings import TrackingSettings
from mocapact_core.tasks.completion import CompletionTask
from mocapact_core.tasks.episodes import Policy
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask


@dataclass(frozen=True)
class Playback:
    """T frames of a humanoid on the left, and at most as many of one on the right, which then vanishes.

    Where there is none on the right at all, the left one is in the middle.
    """

    left: np.ndarray
    """(T, 63) poses in MuJoCo's order (m, rad)."""
    right: np.ndarray
    """(at most T, 63)"""
    dt: float
    """Seconds a frame."""
    left_colours: Sequence[tuple] = ()
    """T colours. None: the left one is an expert's bronze."""
    right_colour: tuple = GREY
    markers: Sequence[Sequence[Marker]] = ()
    """What else each of the T frames shows."""

    def __len__(self) -> int:
        return len(self.left)


def play(
    trajectory_path: str | PathLike, snippet: Snippet, folder: str | PathLike, tracking: TrackingSettings
) -> Playback:
    """Run the expert in `folder` from the start of its snippet, without noise, until the episode ends."""
    expert, segment, task = in_one_world(trajectory_path, snippet, folder, tracking)
    poses = follow(task, expert.predict)
    return Playback(poses, segment.qpos()[: len(poses)], segment.dt)


def follow(task: TrackingTask, policy: Policy) -> np.ndarray:
    """(T + 1, 63) what the humanoid does in the only world of `task`, from the start until the episode ends."""
    task.start(np.zeros(1, int), np.zeros(1, int), np.zeros(1, int))
    poses, state, fresh = [task.physics.qpos[0].copy()], None, np.ones(1, bool)
    done = False
    while not done:
        actions, state = policy(task.observe(), state, fresh)
        done, fresh = bool(task.step(actions).done[0]), np.zeros(1, bool)
        poses.append(task.physics.qpos[0].copy())
    return np.array(poses)


def play_completion(trajectory_path: str | PathLike, snippet: Snippet, completion: str | Path) -> Playback:
    """The first motion completion from the snippet: bronze while the expert moves the humanoid, blue while GPT does.

    To the right is the expert going on from the same start, in bronze, until its episode ends. Recorded actions
    give the same motion again.

    Args:
        completion: results/distillation/<gpt>/<seed>/completion.npz.

    Raises:
        InputError: there is no completion from this snippet.
    """
    names = ("actions", "offsets", "expert_actions", "expert_offsets", "prompt_lengths", "start_step")
    arrays = read_arrays(completion, "snippets", "snippet", *names)
    existing = arrays["snippets"][arrays["snippet"]].tolist()
    if snippet.name not in existing:
        raise InputError(
            f"{completion} has no motion completion from {snippet.name}; the nearest that it has are from "
            f"{nearest(snippet.name, sorted(set(existing)))}."
        )
    index = existing.index(snippet.name)
    gpt, expert = (
        arrays[f"{whose}actions"][slice(*arrays[f"{whose}offsets"][index : index + 2])]
        for whose in ("", "expert_")
    )
    n_prompt = int(arrays["prompt_lengths"][index])
    segment = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
    task = CompletionTask(References([segment]), n_worlds=1)
    start = arrays["start_step"][index : index + 1]
    poses = _poses(task, start, np.concatenate([expert[:n_prompt], gpt]))
    colours = [BRONZE] * (n_prompt + 1) + [BLUE] * len(gpt)
    return Playback(poses, _poses(task, start, expert)[: len(poses)], CONTROL_STEP, colours, BRONZE)


def _poses(task: CompletionTask, start: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """(T + 1, 63) what the humanoid does with T actions from a step of the only snippet."""
    task.start(np.zeros(1, int), np.zeros(1, int), start)
    poses = [task.physics.qpos[0].copy()]
    for action in actions:
        task.step(action[None])
        poses.append(task.physics.qpos[0].copy())
    return np.array(poses)
