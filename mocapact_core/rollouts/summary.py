"""What a dataset of rollouts holds, told by the small things in its files; no episode is read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mocapact_core.rollouts import layout
from mocapact_core.rollouts.layout import EpisodeMetrics


@dataclass(frozen=True)
class Clip:
    """One rollout file."""

    name: str
    """Of the file, without its suffix."""
    snippets: tuple[str, ...]
    from_start: EpisodeMetrics
    """Of the episodes from the starts of the snippets."""
    from_random_steps: EpisodeMetrics
    """Of the episodes from random steps of them."""

    @property
    def episodes(self) -> EpisodeMetrics:
        return together([self.from_start, self.from_random_steps])


@dataclass(frozen=True)
class Summary:
    """A dataset of one or more rollout files."""

    clips: tuple[Clip, ...]
    """By name."""
    columns: Mapping[str, np.ndarray]
    """Of the observables, in alphabetical order."""
    ref_steps: tuple[int, ...]
    cameras: tuple[str, ...]
    """Whose pictures were recorded."""
    records: tuple[Mapping[str, Any], ...]
    """The provenance of the files that tell theirs; published ones do not."""
    size: int
    """Of all files, in bytes."""

    @property
    def from_start(self) -> EpisodeMetrics:
        return together([clip.from_start for clip in self.clips])

    @property
    def from_random_steps(self) -> EpisodeMetrics:
        return together([clip.from_random_steps for clip in self.clips])

    @property
    def episodes(self) -> EpisodeMetrics:
        return together([clip.episodes for clip in self.clips])

    @property
    def snippets(self) -> tuple[str, ...]:
        return tuple(snippet for clip in self.clips for snippet in clip.snippets)

    @property
    def observation_size(self) -> int:
        return sum(len(columns) for columns in self.columns.values())

    def recorded(self, *keys: str) -> list[Any]:
        """The different values that the provenance of the files has under nested keys, in the order met."""
        found = []
        for record in self.records:
            value: Any = record
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None and value not in found:
                found.append(value)
        return found


def together(parts: Iterable[EpisodeMetrics]) -> EpisodeMetrics:
    """The metrics of all episodes of some parts, one part after the other."""
    parts = list(parts)
    return EpisodeMetrics(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(EpisodeMetrics)
        }
    )


def summarize(rollout_paths: Sequence[str | Path]) -> Summary:
    """Look through rollout files, ours or published ones.

    Raises:
        InputError: no rollout file, one that cannot be read or does not fit the others.
    """
    clips, records = [], []
    for path, file in layout.open_dataset(sorted(rollout_paths, key=lambda path: Path(path).stem)):
        clips.append(_clip(Path(path).stem, file))
        records += [record] if (record := layout.origin(file)) else []
        columns, ref_steps = layout.observable_columns(file), tuple(file["ref_steps"][()].tolist())
        cameras = tuple(sorted(layout.pictures(file, clips[-1].snippets[0], 0)))
    size = sum(Path(path).stat().st_size for path in rollout_paths)
    return Summary(tuple(clips), columns, ref_steps, cameras, tuple(records), size)


def _clip(name: str, file: h5py.File) -> Clip:
    snippets, n_start = tuple(layout.snippet_names(file)), int(file["n_start_rollouts"][()])
    metrics = [layout.read_metrics(file, snippet) for snippet in snippets]
    return Clip(
        name,
        snippets,
        together(_part(of, slice(n_start)) for of in metrics),
        together(_part(of, slice(n_start, None)) for of in metrics),
    )


def _part(metrics: EpisodeMetrics, episodes: slice) -> EpisodeMetrics:
    return EpisodeMetrics(
        **{field.name: getattr(metrics, field.name)[episodes] for field in fields(EpisodeMetrics)}
    )
