"""What a rollout file holds besides its episodes, and where each of these belongs.

For formats that store episodes in a way of their own. An outline is an HDF5 group like a rollout file without episodes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.errors import InputError
from mocapact_core.rollouts import layout


class Place(NamedTuple):
    """Where an episode belongs."""

    file: str
    """Name of the rollout file without its suffix."""
    snippet: str
    number: int
    """Of the snippet, among those of all files."""
    rollout: int
    start: int
    """The step of the snippet at which it began."""
    steps: int
    failed: bool
    """It ended before the snippet did."""


def copy_outline(source: h5py.Group, target: h5py.Group) -> None:
    """Copy all of a rollout file but its episodes."""
    target.attrs.update(source.attrs)
    for name in source:
        if name in layout.HEADER:
            source.copy(name, target)
        else:
            snippet = target.create_group(name)
            for part in source[name]:
                if not part.isdigit():
                    source.copy(f"{name}/{part}", snippet)


def write_outlines(
    target: h5py.Group, rollout_paths: Mapping[str, str | Path], observables: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Copy the outlines of rollout files, each into a group of its name, as if only `observables` had been recorded.

    Returns:
        the columns of these observables in the rollout files, in alphabetical order.

    Raises:
        InputError: a file cannot be read, or does not have one of the observables.
    """
    for name, path in sorted(rollout_paths.items()):
        with layout.open_rollouts(path) as file:
            columns = layout.observable_columns(file, sorted(set(observables)) if observables else None)
            copy_outline(file, target.create_group(name))
            if observables:
                _keep_columns(target[name], columns)
    return columns


def _keep_columns(outline: h5py.Group, columns: Mapping[str, np.ndarray]) -> None:
    chosen = np.concatenate(list(columns.values()))
    parts = {
        f"stats/{name}": outline[f"stats/{name}"][()][chosen] for name in ("proprio_mean", "proprio_var")
    }
    ends = np.cumsum([len(of) for of in columns.values()])
    for (name, of), end in zip(columns.items(), ends, strict=True):
        parts[f"observable_indices/walker/{name}"] = np.arange(end - len(of), end)
    for name in ("observable_indices", "stats/proprio_mean", "stats/proprio_var"):
        del outline[name]
    for name, part in parts.items():
        outline[name] = part


def places(outlines: h5py.Group) -> Iterator[Place]:
    """Where each episode belongs: file by file, snippet by snippet, in order of their names."""
    number = 0
    for name, outline in outlines.items():
        for snippet in layout.snippet_names(outline):
            metrics = layout.read_metrics(outline, snippet)
            starts = first_steps(snippet, metrics, int(outline["ref_steps"][()].max()))
            episodes = zip(starts, metrics.episode_lengths, metrics.early_termination, strict=True)
            for k, (start, steps, failed) in enumerate(episodes):
                yield Place(name, snippet, number, k, int(start), int(steps), bool(failed))
            number += 1


def first_steps(snippet: str, metrics: layout.EpisodeMetrics, horizon: int) -> np.ndarray:
    """(episodes,) the step of the snippet at which each began.

    A normalised length is the length over what is left to the last step, `horizon` steps before the end of the snippet.

    Raises:
        InputError: the metrics do not tell steps of this snippet.
    """
    last = parse_snippet(snippet).n_steps - horizon
    starts = last - np.rint(metrics.episode_lengths / metrics.norm_episode_lengths).astype(int)
    wrong = np.flatnonzero((starts < 0) | (starts + metrics.episode_lengths > last))
    if len(wrong):
        k = wrong[0]
        raise InputError(
            f"Rollout {k} of {snippet} has {metrics.episode_lengths[k]} steps and a normalised length of "
            f"{metrics.norm_episode_lengths[k]:.3f}, which does not fit a snippet with {last} steps to track. Collect or "
            f"download these rollouts again."
        )
    return starts


def returns(outlines: h5py.Group) -> np.ndarray:
    """(episodes,) the sum of rewards of each, in the order of `places`."""
    return np.concatenate(
        [
            layout.read_metrics(outline, snippet).episode_returns
            for outline in outlines.values()
            for snippet in layout.snippet_names(outline)
        ]
    )
