"""A multi-clip policy to be watched: on a snippet, or on a whole clip."""

from os import PathLike
from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.clips.trajectory import Trajectory, clip_names, read_trajectory
from mocapact_core.distillation.evaluate import acting, check_tracks
from mocapact_core.experts.watching import one_world
from mocapact_core.figures.playback import Playback, follow
from mocapact_core.humanoid.render import BLUE
from mocapact_core.policies.files import load_policy
from mocapact_core.settings import TrackingSettings


def play_policy(
    trajectory_path: str | PathLike, motion: str, folder: str | Path, tracking: TrackingSettings
) -> Playback:
    """Run the policy in `folder` from the start of a motion, without any noise, until its episode ends.

    Args:
        trajectory_path: file of the clip.
        motion: a snippet, or a clip, which is taken whole, by name.

    Returns:
        The policy in blue, beside the reference.

    Raises:
        InputError: the folder holds no policy that tracks a reference, or one for other reference steps.
    """
    policy = load_policy(folder)
    check_tracks(policy, folder, tracking)
    reference = _reference(trajectory_path, motion)
    task = one_world(reference, policy.observables, tracking)
    poses = follow(task, acting(policy, noise=()))
    return Playback(poses, reference.qpos()[: len(poses)], reference.dt, [BLUE] * len(poses))


def _reference(trajectory_path: str | PathLike, motion: str) -> Trajectory:
    names = clip_names(trajectory_path)
    if motion in names:
        return read_trajectory(trajectory_path, motion)
    snippet = parse_snippet(motion)
    return read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
