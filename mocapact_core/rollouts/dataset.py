"""Rollouts as training data: batches of short sequences, drawn at random from all episodes."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.errors import InputError, nearest
from mocapact_core.policies.modules import MAX_NORMALISED, MIN_STD
from mocapact_core.rollouts.drawing import Drawing, SnippetSteps
from mocapact_core.rollouts.index import EpisodeIndex, read_index
from mocapact_core.rollouts.mapping import WIDTHS, MappedEpisodes
from mocapact_core.rollouts.metrics import read_dataset_metrics

logger = logging.getLogger(__name__)
ALL = "observations"
"""The only part of observations that are not asked for in parts."""


@dataclass(frozen=True)
class Batch:
    """B sequences of T steps; the arrays are float32 unless said."""

    observations: Any
    """(B, T, D) the observables asked for, side by side in the order asked; a dict of such arrays when a dict
    was asked for."""
    actions: np.ndarray
    """(B, T, 56) sampled actions, as executed."""
    mean_actions: np.ndarray
    """(B, T, 56) means of the expert's action distribution."""
    rewards: np.ndarray
    """(B, T)"""
    values: np.ndarray
    """(B, T)"""
    advantages: np.ndarray
    """(B, T)"""
    snippet_returns: np.ndarray
    """(B,) mean normalised episode return of each sequence's snippet."""
    snippets: np.ndarray
    """(B,) int64, index into `RolloutDataset.snippets`."""


class RolloutDataset:
    """The rollouts of some snippets, in files that stay where they are; see `mapping` for how.

    Every sequence lies within one episode. Episodes shorter than a sequence are left out, and so is, with a
    warning, a snippet that has no other. Steps of short snippets are drawn more often, as in the paper.

    Args:
        paths: rollout files of one dataset, ours or published ones, which must stay as they are meanwhile.
        metrics_path: metrics.npz of these or more rollouts, or the published dataset_metrics.npz.
        snippets: what to learn from: snippets, or names of snippets, clips or subsets, as in `clips.subset`;
            all in the files when None.
        observables: what a policy sees, in its feature order, names without `walker/`; or a dict of such
            lists, such as {"ref_encoder": HIGH_LEVEL, "decoder": BASE}: then observations are dicts of arrays.
        sequence: steps T of a sequence; 1 for single steps.
        normalise: give observations as the policies' `Normaliser` does, by the statistics of the metrics.
        scratch: folder for a temporary file with the episodes of compressed files; the system's when None.
        pack: copy all episodes there, with the wanted columns only, when they are first drawn. That makes
            up for the copying where the files are larger than memory, or far away.

    Raises:
        InputError: files that cannot be read or do not fit each other, an unknown snippet or observable, or
            no episode as long as a sequence.
    """

    observables: Any
    """As asked: a tuple, or a dict of tuples."""
    observation_mean: Any
    """(D,) float64, over the whole dataset, from the metrics; a dict of such arrays if observations are one."""
    observation_variance: Any
    """(D,) float64, likewise."""
    sequence: int
    index: EpisodeIndex
    """All episodes of the snippets learned from, short ones too."""
    snippets: list[str]
    """Those learned from, sorted."""
    snippet_returns: np.ndarray
    """(n_snippets,) float64, mean normalised episode return of each."""
    snippet_weights: np.ndarray
    """(n_snippets,) float64, 210 / length: how much more often than others a step of each is drawn."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        metrics_path: str | Path,
        snippets: Sequence[Snippet | str] | str | None,
        observables: Sequence[str] | Mapping[str, Sequence[str]],
        sequence: int,
        normalise: bool = False,
        scratch: str | Path | None = None,
        pack: bool = False,
    ):
        self.sequence, self._metrics_path = sequence, metrics_path
        self.index = _long_enough(read_index(paths, snippets), sequence)
        self.snippets = self.index.snippets
        self._in_parts = isinstance(observables, Mapping)
        parts = _parts(observables)
        self.observables = self.as_asked(parts)
        columns = {part: self.index.columns_of(names) for part, names in parts.items()}
        self._sizes = {part: len(of) for part, of in columns.items()}
        self._read_metrics(columns)
        self._normalise = normalise
        self._drawing = Drawing(self.index, sequence)
        self.snippet_weights = self._drawing.snippet_weights
        self._mapped = MappedEpisodes(self.index, columns, scratch, pack)

    @property
    def parts(self) -> list[str]:
        """The names of the parts of the observations; `ALL` when they were not asked for in parts."""
        return list(self._sizes)

    @property
    def observation_size(self) -> Any:
        """D, or that of each part."""
        return self.as_asked(self._sizes)

    @property
    def n_sequences(self) -> int:
        """Different sequences that can be drawn; they overlap."""
        return self._drawing.n_sequences

    def batch(self, rng: np.random.Generator, size: int, out: Batch | None = None) -> Batch:
        """Draw `size` sequences with replacement. The same state of `rng` gives the same batch.

        Args:
            out: an earlier batch of that size that is not needed any more: its memory is used again, which
                is faster than to ask the system for memory.

        Raises:
            InputError: `out` is of another size, or an episode cannot be read.
        """
        if out is not None and len(out.snippets) != size:
            raise InputError(f"A batch of {len(out.snippets)} sequences has no room for {size}.")
        episodes, first = self._drawing.draw(rng, size)
        arrays = self.empty(size, self.sequence, [*self.parts, *WIDTHS]) if out is None else self._memory(out)
        self.gather(episodes, first, arrays)
        snippets = self.index.snippet[episodes]
        return Batch(
            observations=self.as_asked({part: arrays.pop(part) for part in self._sizes}),
            snippet_returns=self.snippet_returns[snippets].astype(np.float32),
            snippets=snippets,
            **arrays,
        )

    def empty(self, size: int, steps: int, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Float32 arrays (size, steps, ...) to gather to, by name: of `parts` and `mapping.WIDTHS`."""
        shapes = {name: () if width == 1 else (width,) for name, width in WIDTHS.items()}
        shapes |= {part: (n,) for part, n in self._sizes.items()}
        return {name: np.empty((size, steps, *shapes[name]), np.float32) for name in names}

    def gather(self, episodes: np.ndarray, first: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy consecutive steps of chosen episodes, observations normalised if that was asked for.

        Args:
            episodes: (B,) int64, index into the episodes of `index`.
            first: (B,) int64, first step of each.
            arrays: some of those of `empty`, (B, T, ...), to copy T steps to; T need not be the same for all.
                Observations have one step more than the rest, that after the last action.
        """
        self._mapped.gather(episodes, first, arrays)
        if self._normalise:
            for part in self._sizes.keys() & arrays.keys():
                mean, std = self._normalisers[part]
                for rows in arrays[part]:  # one that fits the cache after the other
                    rows -= mean
                    rows /= std
                    np.clip(rows, -MAX_NORMALISED, MAX_NORMALISED, out=rows)

    def as_asked(self, parts: dict[str, Any]) -> Any:
        """What there is of each part of the observations: as a dict only if a dict was asked for."""
        return parts if self._in_parts else parts[ALL]

    def steps(self) -> Iterator[SnippetSteps]:
        """The steps of each snippet as the metrics have them, to sum up over the data as it is drawn.

        Raises:
            InputError: the metrics are of other episodes.
        """
        metrics = read_dataset_metrics(self._metrics_path)
        for number, name in enumerate(self.snippets):
            shares = self._drawing.shares(number)
            values, advantages = metrics.values[name], metrics.advantages[name]
            if len(values) != len(shares):
                raise InputError(
                    f"{self._metrics_path} has {len(values)} values of {name}, whose episodes have "
                    f"{len(shares)} steps. Make it again from these rollout files."
                )
            yield SnippetSteps(number, values, advantages, shares)

    def _read_metrics(self, columns: Mapping[str, np.ndarray]) -> None:
        metrics = read_dataset_metrics(self._metrics_path)
        returns = metrics.snippet_returns
        missing = [name for name in self.snippets if name not in returns]
        if missing:
            raise InputError(
                f"{self._metrics_path} knows nothing of snippet {missing[0]}; the nearest of its {len(returns)} "
                f"are {nearest(missing[0], list(returns))}. Make it again from all rollout files."
            )
        self.snippet_returns = np.array([returns[name] for name in self.snippets])
        means, variances = (metrics.statistics[f"proprio_{name}"] for name in ("mean", "var"))
        if len(means) != self.index.width:
            raise InputError(
                f"{self._metrics_path} is of {len(means)} numbers a step, these rollouts have "
                f"{self.index.width}. Make it again from these rollout files."
            )
        self.observation_mean = self.as_asked({part: means[of] for part, of in columns.items()})
        self.observation_variance = self.as_asked({part: variances[of] for part, of in columns.items()})
        self._normalisers = {
            part: (
                means[of].astype(np.float32),
                np.maximum(np.sqrt(variances[of]), MIN_STD).astype(np.float32),
            )
            for part, of in columns.items()
        }

    def _memory(self, batch: Batch) -> dict[str, np.ndarray]:
        parts = batch.observations if self._in_parts else {ALL: batch.observations}
        return {**parts, **{name: getattr(batch, name) for name in WIDTHS}}


def _parts(observables: Sequence[str] | Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    if not isinstance(observables, Mapping):
        return {ALL: tuple(observables)}
    if taken := sorted(observables.keys() & WIDTHS.keys()):
        raise InputError(f"A part of the observations cannot be called {taken[0]}. Choose another name.")
    return {part: tuple(names) for part, names in observables.items()}


def _long_enough(index: EpisodeIndex, sequence: int) -> EpisodeIndex:
    """Without snippets that have no episode of so many steps."""
    kept = np.unique(index.snippet[index.steps >= sequence])
    if not len(kept):
        raise InputError(
            f"No episode of these rollouts has the {sequence} steps of a training sequence. Make the "
            f"sequence shorter, or train better experts."
        )
    names = [index.snippets[i] for i in kept]
    if short := sorted(set(index.snippets) - set(names)):
        logger.warning("Left out, as none of their episodes has %d steps: %s", sequence, ", ".join(short))
        return index.only(names)
    return index
