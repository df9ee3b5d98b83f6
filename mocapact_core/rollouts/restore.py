"""Compact rollout files: what only shows the reference is computed again from the clip.

Of the 2868 numbers of an observation, 2560 follow from the reference and from where the body is. A compact file
holds the other 308 (`tasks.tracking.NOT_RECOMPUTABLE`), in 32 bits, so that what is restored from them is within
1e-6 of what was not recorded: absolute below 1, relative above, for a humanoid within 16 metres of the origin.
"""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike

import h5py
import numpy as np

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.clips.trajectory import Trajectory, read_trajectory
from mocapact_core.errors import InputError, nearest
from mocapact_core.files import writing_hdf5
from mocapact_core.provenance import as_text, provenance
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.recorded import (
    OTHER_CLIP,
    POSE,
    Columns,
    Poses,
    check_recorded,
    recorded_qpos,
    start_on,
)
from mocapact_core.rollouts.statistics import NO_STATISTICS, Statistics
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import OBSERVABLES, REFERENCE, TrackingTask


def restore(
    observations: np.ndarray,
    columns: Columns,
    references: References,
    ref_steps: Sequence[int],
    observables: Sequence[str] = OBSERVABLES,
) -> np.ndarray:
    """The observations of one episode with those of the reference computed again where they were not recorded.

    Args:
        observations: (T + 1, D) from the first of the episode on.
        columns: of the recorded observables, POSE and time_in_clip among them.
        references: the snippet, and no other.
        ref_steps: the future steps that reference observables show.
        observables: what to return, in this order.

    Returns:
        (T + 1, sum of their sizes) float32; all 35 are 2868 numbers with 5 reference steps.

    Raises:
        InputError: one of them was neither recorded nor belongs to the reference, pose or time were not
            recorded, or the episode did not happen on this motion.
    """
    check_recorded(columns, (*POSE, "time_in_clip"), "restoring observables of the reference")
    known = {*columns, *REFERENCE}
    unknown = [name for name in observables if name not in known]
    if unknown:
        raise InputError(
            f"{unknown[0]} was not recorded and cannot be restored; the nearest that is there are "
            f"{nearest(unknown[0], sorted(known))}."
        )
    start = start_on(references, observations, columns)
    rows = start + np.arange(len(observations))
    ahead = rows[:, None] + np.sort(ref_steps)
    if ahead.max() >= len(references.qpos):
        raise InputError(
            f"An episode of {len(observations) - 1} steps from step {start} does not fit on a snippet of "
            f"{len(references.qpos) - 1}. {OTHER_CLIP}"
        )
    poses = Poses(recorded_qpos(observations, columns, references.qpos[start, 3:7]))
    frames = references.at(ahead)
    parts = [
        observations[:, columns[name]]
        if name in columns
        else REFERENCE[name](poses, frames).reshape(poses.n, -1)
        for name in observables
    ]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def restore_file(
    compact: str | PathLike, clip: str | PathLike, output: str | PathLike, compression: int = 0
) -> None:
    """Write a full rollout file from a compact one, in the same layout, an episode in memory at a time.

    Args:
        clip: motion file that holds the clip.
        output: HDF5 file. It takes over the provenance of the compact file, and `restored` tells how it was made.
        compression: as in `layout.write_episode`.

    Raises:
        InputError: the file or the motion cannot be read, nothing is missing, or `restore` cannot do it.
    """
    with layout.open_rollouts(compact) as source:
        columns = layout.observable_columns(source)
        if not REFERENCE.keys() - columns:
            raise InputError(f"{compact} already holds all observables of the reference: nothing to restore.")
        trajectory = read_trajectory(clip, parse_snippet(layout.snippet_names(source)[0]).clip)
        with writing_hdf5(output) as target:
            _write_restored(source, target, trajectory, compression)
            target.attrs.update(source.attrs)
            target.attrs["restored"] = as_text(provenance({}, {"rollouts": compact, "clip": clip}))


def _write_restored(source: h5py.File, target: h5py.File, trajectory: Trajectory, compression: int) -> None:
    columns, ref_steps = layout.observable_columns(source), source["ref_steps"][()]
    observables = sorted({*columns, *REFERENCE})
    n_start, n_rsi = int(source["n_start_rollouts"][()]), int(source["n_rsi_rollouts"][()])
    statistics = NO_STATISTICS
    for snippet in layout.snippet_names(source):
        references = References.of_snippets([parse_snippet(snippet)], trajectory)
        for k, episode in enumerate(layout.read_episodes(source, snippet)):
            observations = restore(episode.observations, columns, references, ref_steps, observables)
            episode = replace(episode, observations=observations)
            layout.write_episode(target, snippet, k, episode, compression)
            frames = {camera: array[()] for camera, array in layout.pictures(source, snippet, k).items()}
            layout.write_pictures(target, snippet, k, frames, compression)
            statistics += Statistics.of(episode)
        layout.write_metrics(target, snippet, n_start, layout.read_metrics(source, snippet))
    task = TrackingTask(references, 1, observables, ref_steps)
    layout.write_header(target, task.sizes, ref_steps, n_start, n_rsi)
    layout.write_statistics(target, statistics.published())
