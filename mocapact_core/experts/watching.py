"""A policy on its motion in one world, to be watched: what pictures, videos and the viewer show."""

from collections.abc import Sequence
from os import PathLike

import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import Trajectory, read_trajectory
from mocapact_core.policies.expert import Expert
from mocapact_core.settings import TrackingSettings
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask


def in_one_world(
    trajectory_path: str | PathLike, snippet: Snippet, folder: str | PathLike, tracking: TrackingSettings
) -> tuple[Expert, Trajectory, TrackingTask]:
    """The expert in `folder`, the reference motion of its snippet, and a world to track it in.

    Raises:
        InputError: the clip or the expert is missing or damaged, or the snippet is too short to track.
    """
    torch.set_num_threads(1)
    expert = Expert.load(folder)
    segment = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
    return expert, segment, one_world(segment, expert.observables, tracking)


def one_world(reference: Trajectory, observables: Sequence[str], tracking: TrackingSettings) -> TrackingTask:
    """A world to track this reference motion in, which is its only snippet."""
    return TrackingTask(
        References([reference]),
        n_worlds=1,
        observables=observables,
        ref_steps=tracking.ref_steps,
        termination_error=tracking.termination_error,
    )
