"""A small dataset for what trusts nothing: real episodes on a motion that turns through half a circle."""

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.kinematics import trajectory_from_motion
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.config import ExpertSettings, RolloutSettings, TrackingSettings
from mocapact_core.experts.train import train_expert
from mocapact_core.humanoid.rotations import axis_angle_to_quat, quat_product
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.collect import collect_rollouts
from mocapact_core.rollouts.statistics import NO_STATISTICS, Statistics
from mocapact_core.tasks.tracking import REFERENCE

TURN = (Snippet("turn", 0, 40), Snippet("turn", 30, 80))


class Recorded(NamedTuple):
    clip: Path
    full: Path
    compact: Path


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> Recorded:
    """3 + 3 episodes of untrained experts on each of two snippets, with all observables and without the reference's."""
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
    write_compact(here.full, here.compact)
    return here


def _turning_motion():
    """Quaternions that begin with a negative w and end with a positive one."""
    motion = builtin_trajectory("march")
    turns = np.zeros((len(motion), 3))
    turns[:, 2] = np.linspace(1.6, 0.3, len(motion)) * np.pi
    quaternion = quat_product(axis_angle_to_quat(turns), motion.quaternion)
    assert quaternion[0, 0] < 0 < quaternion[-1, 0]
    return trajectory_from_motion("turn", motion.position, quaternion, motion.joints)


def write_compact(full: Path, compact: Path) -> None:
    """The same file without the observables of the reference."""
    compact.parent.mkdir()
    with layout.open_rollouts(full) as source, h5py.File(compact, "w") as target:
        columns = layout.observable_columns(source)
        kept = {name: of for name, of in columns.items() if name not in REFERENCE}
        chosen = np.concatenate(list(kept.values()))
        statistics = NO_STATISTICS
        for snippet in layout.snippet_names(source):
            for k, episode in enumerate(layout.read_episodes(source, snippet)):
                arrays = {**vars(episode), "observations": episode.observations[:, chosen]}
                layout.write_episode(target, snippet, k, part := layout.Episode(**arrays))
                statistics += Statistics.of(part)
            layout.write_metrics(target, snippet, 3, layout.read_metrics(source, snippet))
        sizes = {name: len(of) for name, of in kept.items()}
        layout.write_header(target, sizes, source["ref_steps"][()], 3, 3)
        layout.write_statistics(target, statistics.published())
        target.attrs.update(source.attrs)
