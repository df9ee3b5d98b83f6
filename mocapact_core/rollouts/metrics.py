"""The metrics of the whole dataset, merged from those of its rollout files without reading these again.

    metrics/<clip>.npz   of one rollout file (`measure`)
    metrics.npz          of the dataset, for this project
    dataset_metrics.npz  of the dataset, as MoCapAct publishes it and its code reads it

In metrics.npz nothing is pickled. It has `layout.STATISTICS` in float64; action statistics divide by the number of
actions. The rest, snippets to provenance, is as in `measure`.

The published file pickles snippet_returns, values and advantages, as dicts by snippet. Its statistics are float32:
MoCapAct subtracts them from float32 observations and expects no float64 back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.files import write_npz, write_zip
from mocapact_core.policies.pickling import npy
from mocapact_core.policies.unpickling import load_npz, numbers
from mocapact_core.provenance import as_text, provenance
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.measure import (
    ClipMetrics,
    SnippetMetrics,
    measure_rollouts,
    read_clip_metrics,
    snippet_arrays,
    snippets_of,
)
from mocapact_core.rollouts.statistics import NO_STATISTICS


@dataclass(frozen=True)
class DatasetMetrics:
    """The metrics of the whole dataset."""

    statistics: dict[str, np.ndarray]
    """By their published names (`layout.STATISTICS`), float64; `count` is int64."""
    snippet_returns: dict[str, float]
    """Mean normalised episode return of each snippet, over all its episodes."""
    values: dict[str, np.ndarray]
    """All values of each snippet, episode after episode, float32."""
    advantages: dict[str, np.ndarray]
    """All advantages of each snippet, likewise."""


def write_dataset_metrics(rollout_paths: Sequence[str | PathLike], folder: str | PathLike) -> Path:
    """Measure rollout files and merge their metrics; all three kinds of files go into `folder`.

    Returns:
        the path of metrics.npz.

    Raises:
        InputError: two files are of one clip, or as in `measure_rollouts` and `merge_metrics`.
    """
    folder = Path(folder)
    measured = [folder / "metrics" / f"{Path(path).stem}.npz" for path in rollout_paths]
    if len(set(measured)) < len(measured):
        raise InputError(
            "Two of the rollout files have the same name, that of their clip. Give one file a clip."
        )
    for path, output in zip(rollout_paths, measured, strict=True):
        measure_rollouts(path, output)
    merge_metrics(measured, folder / "metrics.npz", folder / "dataset_metrics.npz")
    return folder / "metrics.npz"


def merge_metrics(paths: Sequence[str | PathLike], output: str | PathLike, published: str | PathLike) -> None:
    """Merge the metrics of rollout files into those of the dataset. The order of the files does not matter.

    Args:
        paths: what `measure_rollouts` wrote, of each file of the dataset.
        output: metrics.npz, for this project.
        published: dataset_metrics.npz, for MoCapAct's code.

    Raises:
        InputError: there are none, one cannot be read or does not fit the others, or a snippet is in two.
    """
    if not paths:
        raise InputError("No rollout file was given. The rule collect_rollouts makes them.")
    clips = [read_clip_metrics(path) for path in paths]
    snippets = _all_snippets(paths, clips)
    clips.sort(key=lambda clip: min(clip.snippets))  # sums depend on the order, by a rounding
    statistics = sum((clip.statistics for clip in clips), start=NO_STATISTICS).published()
    record = provenance({}, {Path(path).stem: path for path in paths})
    write_npz(output, {**statistics, **snippet_arrays(snippets), "provenance": np.array(as_text(record))})
    _write_published(published, statistics, snippets)


def read_dataset_metrics(path: str | PathLike) -> DatasetMetrics:
    """Read metrics.npz, or the published dataset_metrics.npz, of which no pickled code is run.

    Raises:
        InputError: there is no such file, or it is cut off or something else.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no {path}. The rule compute_dataset_metrics makes it from rollout files.")
    arrays = load_npz(path)
    try:
        statistics = {
            name: numbers(arrays[name], np.int64 if name == "count" else np.float64)
            for name in layout.STATISTICS
        }
        if type(arrays["snippet_returns"]) is dict:
            return DatasetMetrics(statistics, *_published_snippets(arrays))
        snippets = snippets_of(arrays)
        return DatasetMetrics(
            statistics,
            snippet_returns={name: snippet.normalized_return for name, snippet in snippets.items()},
            values={name: snippet.values for name, snippet in snippets.items()},
            advantages={name: snippet.advantages for name, snippet in snippets.items()},
        )
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as the metrics of a dataset ({error}). Make it again with the rule "
            f"compute_dataset_metrics, or give the published dataset_metrics.npz."
        ) from None


def _all_snippets(paths: Sequence[str | PathLike], clips: Sequence[ClipMetrics]) -> dict[str, SnippetMetrics]:
    """The snippets of all clips, which must be different and show the same."""
    snippets: dict[str, SnippetMetrics] = {}
    for path, clip in zip(paths, clips, strict=True):
        layout.check_fit(path, clip.shown, paths[0], clips[0].shown)
        if twice := sorted(clip.snippets.keys() & snippets.keys()):
            raise InputError(f"Snippet {twice[0]} is in two of the rollout files, one of them {path}.")
        snippets |= clip.snippets
    return snippets


def _write_published(
    path: str | PathLike, statistics: Mapping[str, np.ndarray], snippets: Mapping[str, SnippetMetrics]
) -> None:
    ordered = sorted(snippets.items())
    content: dict[str, Any] = {
        name: np.asarray(statistics[name], np.int64 if name == "count" else np.float32)
        for name in layout.STATISTICS
    }
    content["snippet_returns"] = {name: snippet.normalized_return for name, snippet in ordered}
    content["values"] = {name: snippet.values for name, snippet in ordered}
    content["advantages"] = {name: snippet.advantages for name, snippet in ordered}
    write_zip(path, {f"{name}.npy": npy(value) for name, value in content.items()})


def _published_snippets(
    arrays: Mapping[str, Any],
) -> tuple[dict[str, float], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns, values and advantages, of which nothing is used before it is checked: they were pickled."""
    returns, values, advantages = (arrays[name] for name in ("snippet_returns", "values", "advantages"))
    if not (
        type(values) is type(advantages) is dict and returns.keys() == values.keys() == advantages.keys()
    ):
        raise ValueError("its returns, values and advantages are not of the same snippets")
    if not all(isinstance(name, str) for name in returns):
        raise TypeError("the name of a snippet is no text")
    names = sorted(returns)
    result = (
        {name: float(numbers(returns[name])) for name in names},
        {name: numbers(values[name], np.float32) for name in names},
        {name: numbers(advantages[name], np.float32) for name in names},
    )
    for name in names:
        if not result[1][name].shape == result[2][name].shape == (result[1][name].size,):
            raise ValueError(f"its values and advantages of {name} are not equally many")
    return result
