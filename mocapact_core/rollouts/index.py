"""Which episodes rollout files hold: all that is known without reading one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from mocapact_core.clips.cmu_table import membership
from mocapact_core.clips.snippets import Snippet, parse_snippet, select
from mocapact_core.errors import InputError, nearest
from mocapact_core.rollouts import layout


@dataclass(frozen=True)
class EpisodeIndex:
    """E episodes, file by file and snippet by snippet; the arrays are (E,)."""

    paths: list[Path]
    stamps: list[tuple[int, ...]]
    """Of each file, to tell whether it is still the one that was looked at (`stamp`)."""
    columns: dict[str, np.ndarray]
    """Where each observable lies in a row of observations."""
    width: int
    """Numbers in a row of observations."""
    snippets: list[str]
    """Sorted."""
    files: np.ndarray
    """int64, index into `paths`."""
    snippet: np.ndarray
    """int64, index into `snippets`."""
    numbers: np.ndarray
    """int64, k: which of the S + R episodes of its snippet."""
    steps: np.ndarray
    """int64, T."""
    terminated: np.ndarray
    """bool, whether it ended early."""

    def name(self, episode: int) -> str:
        """The group of an episode in its file."""
        return f"{self.snippets[self.snippet[episode]]}/{self.numbers[episode]}"

    def columns_of(self, observables: Sequence[str]) -> np.ndarray:
        """Where observables lie in a row of observations, in the order asked.

        Raises:
            InputError: none, or one that the files do not have.
        """
        for name in observables or ("",):
            if name not in self.columns:
                raise InputError(
                    f"{self.paths[0]} has no observable '{name}'; it has {len(self.columns)}, of which the "
                    f"nearest are {nearest(name, list(self.columns))}."
                )
        return np.concatenate([self.columns[name] for name in observables])

    def only(self, snippets: Sequence[str]) -> "EpisodeIndex":
        """The episodes of some of the snippets, whose names are sorted."""
        numbers = np.array([self.snippets.index(name) for name in snippets])
        kept = np.isin(self.snippet, numbers)
        return replace(
            self,
            snippets=list(snippets),
            snippet=np.searchsorted(numbers, self.snippet[kept]),
            **{name: getattr(self, name)[kept] for name in ("files", "numbers", "steps", "terminated")},
        )


def read_index(
    paths: Sequence[str | Path], snippets: Sequence[Snippet | str] | str | None = None
) -> EpisodeIndex:
    """Look into rollout files for the episodes of some snippets; all when None.

    Args:
        paths: rollout files of one dataset.
        snippets: snippets, or names of snippets, clips or subsets: all that `clips.subset` can be.

    Raises:
        InputError: files that cannot be read or do not fit each other, a snippet in two of them, or none that
            was asked for.
    """
    rows: list[tuple[str, int, np.ndarray, np.ndarray]] = []
    stamps: list[tuple[int, ...]] = []
    for number, (path, file) in enumerate(layout.open_dataset(paths)):
        if number == 0:
            columns, width = layout.observable_columns(file), len(file["stats/proprio_mean"])
        stamps.append(stamp(path))
        for name in layout.snippet_names(file):
            ended = file[f"{name}/early_termination"][()].astype(bool)
            rows.append((name, number, layout.episode_lengths(file, name), ended))
    names = sorted(row[0] for row in rows)
    for name, following in pairwise(names):
        if name == following:
            raise InputError(f"Snippet {name} is in two of the {len(paths)} rollout files. Give one a clip.")
    places = {name: i for i, name in enumerate(names)}
    counts = [len(ended) for *_, ended in rows]
    index = EpisodeIndex(
        paths=[Path(path) for path in paths],
        stamps=stamps,
        columns=columns,
        width=width,
        snippets=names,
        files=np.repeat([number for _, number, _, _ in rows], counts),
        snippet=np.repeat([places[name] for name, *_ in rows], counts),
        numbers=np.concatenate([np.arange(count) for count in counts]),
        steps=np.concatenate([steps for _, _, steps, _ in rows]).astype(np.int64),
        terminated=np.concatenate([ended for *_, ended in rows]),
    )
    if snippets is None:
        return index
    subset = snippets if isinstance(snippets, str) else list(map(str, snippets))
    chosen = select(map(parse_snippet, names), subset, f"in {len(paths)} rollout files")
    return index.only(sorted(snippet.name for snippet in chosen))


def stamp(path: str | Path) -> tuple[int, ...]:
    """Changes when a file is replaced or written to."""
    status = os.stat(path)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def split_snippets(
    snippets: Sequence[str], share: float | None = None, seed: int = 0
) -> tuple[list[str], list[str]]:
    """Split snippets into those to train on and those to validate with, both sorted.

    Args:
        snippets: their names.
        share: None: as published, where all snippets of a clip are on the same side (paper, section 4), and
            clips that are not CMU's are there to train on. Otherwise this share of the snippets, drawn at
            random, validates; then neighbours on both sides share up to 33 frames.
        seed: for the draw.

    Raises:
        InputError: a share that is not between 0 and 1.
    """
    names = sorted(snippets)
    if share is None:
        held = {name for name in names if membership(parse_snippet(name).clip).split == "val"}
    elif 0 <= share <= 1:
        order = np.random.default_rng(seed).permutation(len(names))
        held = {names[i] for i in order[: round(share * len(names))]}
    else:
        raise InputError(f"A share of {share} of the snippets cannot validate. Choose one between 0 and 1.")
    return [name for name in names if name not in held], sorted(held)
