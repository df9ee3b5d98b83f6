"""The metrics of one rollout file, in a small file of their own: all that the metrics of the dataset need of it.

Plain arrays, in which nothing is pickled, in the order of the names of snippets:

    observations_{count,mean,deviations}  as `Moments`; also of actions and of mean_actions
    snippets            (n,)
    snippet_episodes    (n,) how many each has, from the start and RSI ones alike
    snippet_steps       (n,) how many steps they have together
    snippet_returns     (n,) float64, mean normalised return of the episodes
    values, advantages  (sum of snippet_steps,) float32, episode after episode
    shown               JSON, `layout.shown`
    provenance          JSON, with that of the rollouts, if they tell, as `origin`
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.files import write_npz
from mocapact_core.policies.unpickling import load_npz
from mocapact_core.provenance import as_text, provenance
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.statistics import NO_STATISTICS, Moments, Statistics

_PARTS = [part.name for part in fields(Statistics)]


@dataclass(frozen=True)
class SnippetMetrics:
    """The metrics of the episodes of one snippet."""

    episodes: int
    normalized_return: float
    """Mean over all episodes."""
    values: np.ndarray
    """(steps,) float32, episode after episode."""
    advantages: np.ndarray
    """(steps,) float32, likewise."""


@dataclass(frozen=True)
class ClipMetrics:
    """The metrics of one rollout file."""

    statistics: Statistics
    snippets: dict[str, SnippetMetrics]
    shown: dict[str, list[int]]
    """Which observables and reference steps (`layout.shown`)."""


def measure_rollouts(path: str | PathLike, output: str | PathLike) -> None:
    """Write the metrics of a rollout file, which is read once, an episode in memory at a time.

    The provenance of rollouts names them as well as a hash would, which would take a second reading.

    Raises:
        InputError: it cannot be read, or has no episode or numbers that are not finite.
    """
    with layout.open_rollouts(path) as file:
        metrics = _measure(file)
        origin = layout.origin(file)
    arrays = snippet_arrays(metrics.snippets)
    for part in _PARTS:
        moments = getattr(metrics.statistics, part)
        arrays[f"{part}_count"] = np.array(moments.count)
        arrays[f"{part}_mean"], arrays[f"{part}_deviations"] = moments.mean, moments.deviations
    arrays["shown"] = np.array(json.dumps(metrics.shown))
    arrays["provenance"] = np.array(as_text({**provenance({}, {}), "origin": origin}))
    write_npz(output, arrays)


def read_clip_metrics(path: str | PathLike) -> ClipMetrics:
    """Raises: InputError: there is no such file, or it is cut off or something else."""
    if not Path(path).is_file():
        raise InputError(f"There is no {path}. The rule measure_rollouts makes it from a rollout file.")
    arrays = load_npz(path)
    try:
        moments = [
            Moments(int(arrays[f"{part}_count"]), arrays[f"{part}_mean"], arrays[f"{part}_deviations"])
            for part in _PARTS
        ]
        return ClipMetrics(Statistics(*moments), snippets_of(arrays), json.loads(str(arrays["shown"])))
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as the metrics of a rollout file ({error}). Make it again with the rule "
            f"measure_rollouts."
        ) from None


def snippet_arrays(snippets: Mapping[str, SnippetMetrics]) -> dict[str, np.ndarray]:
    """The arrays that tell of snippets."""
    ordered = [snippets[name] for name in sorted(snippets)]
    return {
        "snippets": np.array(sorted(snippets)),
        "snippet_episodes": np.array([snippet.episodes for snippet in ordered]),
        "snippet_steps": np.array([len(snippet.values) for snippet in ordered]),
        "snippet_returns": np.array([snippet.normalized_return for snippet in ordered], np.float64),
        "values": np.concatenate([snippet.values for snippet in ordered]),
        "advantages": np.concatenate([snippet.advantages for snippet in ordered]),
    }


def snippets_of(arrays: Mapping[str, Any]) -> dict[str, SnippetMetrics]:
    """The snippets that such arrays tell of. They may raise errors of look-up, attribute, type and value."""
    ends = np.cumsum(arrays["snippet_steps"])
    if not len(arrays["values"]) == len(arrays["advantages"]) == ends[-1]:
        raise ValueError("its values are not as many as the steps of its snippets")
    rows = zip(
        arrays["snippets"].tolist(),
        arrays["snippet_episodes"].tolist(),
        arrays["snippet_returns"].tolist(),
        np.split(arrays["values"], ends[:-1]),
        np.split(arrays["advantages"], ends[:-1]),
        strict=True,
    )
    return {name: SnippetMetrics(*of_snippet) for name, *of_snippet in rows}


def _measure(file: h5py.File) -> ClipMetrics:
    statistics, snippets = NO_STATISTICS, {}
    for snippet in layout.snippet_names(file):
        estimates = []
        for k, episode in enumerate(layout.read_episodes(file, snippet)):
            own = Statistics.of(episode)
            estimates.append(np.stack([episode.values, episode.advantages]).astype(np.float32))
            deviations = (getattr(own, part).deviations for part in _PARTS)
            if not all(np.isfinite(numbers).all() for numbers in (*deviations, estimates[-1])):
                raise InputError(
                    f"{file.filename}: episode {k} of {snippet} has numbers that are not finite. Collect or "
                    f"download this file again."
                )
            statistics += own
        returns = layout.read_metrics(file, snippet).norm_episode_returns
        if not len(returns) or not np.isfinite(returns).all():
            raise InputError(
                f"{file.filename} has no episode of {snippet}, or one whose return is not finite. Collect or "
                f"download this file again."
            )
        values, advantages = np.concatenate(estimates, axis=1)
        snippets[snippet] = SnippetMetrics(len(returns), float(returns.mean()), values, advantages)
    return ClipMetrics(statistics, snippets, layout.shown(file))
