"""A task policy to be watched: an episode on a transfer task, with its goals."""

from os import PathLike

import numpy as np

from mocapact_core.figures.goals import MARKERS
from mocapact_core.figures.playback import Playback
from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.humanoid.render import BLUE
from mocapact_core.settings import LowLevelSettings, TransferSettings
from mocapact_core.transfer.evaluate import playback

LONGEST = 15.0
"""Seconds of an episode that are shown: a minute is much the same."""


def play_transfer(
    task: str,
    low_level: LowLevelSettings,
    policy_folder: str | PathLike | None,
    folder: str | PathLike,
    settings: TransferSettings,
    stand: str | PathLike | None = None,
) -> Playback:
    """The first episode of a task policy's evaluation, at most `LONGEST` of it, and what it was asked for.

    Args:
        task, low_level, policy_folder, folder, settings, stand: as of `transfer.evaluate.playback`.

    Raises:
        InputError: the task policy is missing, damaged, or of another task or low-level policy.
    """
    episode = playback(task, low_level, policy_folder, folder, settings, stand=stand)
    poses = episode.qpos[: round(LONGEST / CONTROL_STEP)]
    markers = MARKERS[task](poses, episode.goals[: len(poses)])
    nobody = np.zeros((0, poses.shape[1]))
    return Playback(poses, nobody, CONTROL_STEP, [BLUE] * len(poses), markers=markers)
