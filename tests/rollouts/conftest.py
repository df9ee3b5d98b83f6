"""A small dataset for what trusts nothing: real episodes on a motion that turns through half a circle."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.kinematics import trajectory_from_motion
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.experts.train import train_expert
from mocapact_core.humanoid.rotations import axis_angle_to_quat, quat_product
from mocapact_core.rollouts.collect import collect_rollouts
from mocapact_core.settings import ExpertSettings, RolloutSettings, TrackingSettings

TURN = (Snippet("turn", 0, 40), Snippet("turn", 30, 80))


class Recorded(NamedTuple):
    clip: Path
    full: Path
    compact: Path


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> Recorded:
    """3 + 3 episodes of untrained experts on each of two snippets: with all observables, and compact and compressed."""
    folder = tmp_path_factory.mktemp("recorded")
    here = Recorded(folder / "turn.h5", folder / "turn.hdf5", folder / "compact" / "turn.hdf5")
    write_trajectory(here.clip, _turning_motion())
    tracking = TrackingSettings()
    untrained = ExpertSettings(
        total_steps=0,
        warm_start="none",
        hidden=[8],
        workers=2,
        steps_per_update=64,
        minibatch=64,
        evaluation_episodes=1,
        evaluation_start_episodes=1,
    )
    for snippet in TURN:
        train_expert(here.clip, snippet, folder / snippet.name, untrained, tracking, seed=1)
    settings = RolloutSettings(start_rollouts=3, rsi_rollouts=3, min_steps=5, noise=0.3)
    collect_rollouts(here.clip, TURN, folder, here.full, settings, tracking, seed=2)
    compact = settings.model_copy(update={"observables": "proprioception", "compression": 1})
    collect_rollouts(here.clip, TURN, folder, here.compact, compact, tracking, seed=2)
    return here


def _turning_motion():
    """Quaternions that begin with a negative w and end with a positive one."""
    motion = builtin_trajectory("march")
    turns = np.zeros((len(motion), 3))
    turns[:, 2] = np.linspace(1.6, 0.3, len(motion)) * np.pi
    quaternion = quat_product(axis_angle_to_quat(turns), motion.quaternion)
    assert quaternion[0, 0] < 0 < quaternion[-1, 0]
    return trajectory_from_motion("turn", motion.position, quaternion, motion.joints)
