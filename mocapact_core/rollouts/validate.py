"""Can a rollout file be trusted? What it says of itself is computed again from its episodes.

Errors are contradictions: the file cannot be used. Notes are what a user should know, such as the known
peculiarities of published files. One episode is in memory at a time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from os import PathLike

import h5py
import numpy as np

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.errors import InputError
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.checks import TOLERANCE, Record, check_episode
from mocapact_core.rollouts.statistics import NO_STATISTICS, Moments, Statistics

_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What h5py and numpy raise at what a damaged or foreign file holds."""


@dataclass(frozen=True)
class Finding:
    """One thing to know about a file."""

    what: str
    """With what to do, where that is not to make the file again."""
    error: bool = True
    """Whether the file cannot be used because of it."""
    snippet: str = ""
    """Empty for the file as a whole."""
    episode: int | None = None
    check: str = ""
    others: int = 0
    """How many further episodes of the snippet failed the same check, with other numbers."""

    def __str__(self) -> str:
        where = [self.snippet] * bool(self.snippet) + [f"episode {self.episode}"] * (self.episode is not None)
        others = f" (and so do {self.others} more of its episodes)" if self.others else ""
        text = ": ".join([", ".join(where), self.what] if where else [self.what])
        return f"{'error' if self.error else 'note'}: {text}{others}."


@dataclass(frozen=True)
class Report:
    """What `validate` found in a file; as text, a line of verdict and a line a finding."""

    path: str
    findings: list[Finding]
    """Errors first."""
    n_snippets: int
    n_episodes: int
    """That could be read and have no errors."""
    n_steps: int
    """Of these episodes."""

    @property
    def usable(self) -> bool:
        return not any(finding.error for finding in self.findings)

    @property
    def verdict(self) -> str:
        errors = sum(finding.error for finding in self.findings)
        counts = {
            "error": errors,
            "note": len(self.findings) - errors,
            "snippet": self.n_snippets,
            "good episode": self.n_episodes,
            "step": self.n_steps,
        }
        told = [f"{n} {name}{'s' * (n != 1)}" for name, n in counts.items() if n]
        return f"{self.path}: {'can be used' if self.usable else 'cannot be used'} ({', '.join(told)})"

    def __str__(self) -> str:
        return "\n".join([self.verdict, *(f"  {finding}" for finding in self.findings)])


def validate(path: str | PathLike) -> Report:
    """Check a rollout file, ours or a published one. Whatever is wrong with its content is a finding.

    Raises: OSError: it cannot be looked into: it is open elsewhere for writing, or may not be read.
    """
    findings: list[Finding] = []
    statistics, n_snippets, n_episodes = NO_STATISTICS, 0, 0
    try:
        with layout.open_rollouts(path) as file:
            findings += _header(file)
            for snippet in [] if _errors(findings) else layout.snippet_names(file):
                n_snippets += 1
                for part in _snippet(file, snippet):
                    if isinstance(part, Finding):
                        findings.append(part)
                    else:
                        n_episodes += 1
                        statistics += Statistics.of(part)
            if n_episodes and not _errors(findings):
                findings += _statistics(file, statistics)
    except (BlockingIOError, PermissionError):
        raise
    except (InputError, *_DAMAGE) as error:
        findings.append(Finding(_told(error)))
    n_steps = statistics.actions.count
    return Report(str(path), _gathered(findings), n_snippets, n_episodes, n_steps)


def _errors(findings: Iterable[Finding]) -> bool:
    return any(finding.error for finding in findings)


def _told(error: Exception) -> str:
    text = " ".join(str(error).split()).removesuffix(".")
    return text if isinstance(error, InputError) else f"a part of it cannot be read ({text})"


def _gathered(findings: Iterable[Finding]) -> list[Finding]:
    """What one check found in many episodes of a snippet as one finding: the first, and how many follow."""
    gathered: dict[tuple, Finding] = {}
    for finding in findings:
        key = (finding.snippet, finding.check, finding.error) if finding.check else (finding,)
        first = gathered.setdefault(key, finding)
        if first is not finding and first.episode != finding.episode:
            gathered[key] = replace(first, others=first.others + 1)
    return sorted(gathered.values(), key=lambda finding: not finding.error)


def _header(file: h5py.File) -> Iterator[Finding]:
    """What is wrong outside the episodes, and not already refused by `layout.open_rollouts`."""
    size = file["stats/proprio_mean"].size
    columns = np.concatenate([np.ravel(of) for of in layout.observable_columns(file).values()])
    counts = np.bincount(columns[(columns >= 0) & (columns < size)], minlength=size)
    if len(columns) != size or (counts != 1).any():
        column = int(np.argmax(counts != 1)) if (counts != 1).any() else int(columns.max())
        yield Finding(
            f"observable_indices do not give each of {size} columns to one observable: column {column} to "
            f"{(columns == column).sum()}"
        )
    for name in layout.STATISTICS:
        values = file[f"stats/{name}"][()]
        shape = () if name == "count" else (size,) if name.startswith("proprio") else (layout.N_ACTIONS,)
        if values.shape != shape:
            yield Finding(f"stats/{name} has the shape {values.shape} instead of {shape}")
        elif not np.isfinite(values).all():
            yield Finding(f"stats/{name} holds values that are not finite")
    snippets = [parse_snippet(name) for name in layout.snippet_names(file)]
    for snippet in snippets:
        if snippet.n_steps <= max(file["ref_steps"]):
            yield Finding(
                f"the snippet is too short for ref_steps up to {max(file['ref_steps'])}", True, snippet.name
            )
    if len({snippet.clip for snippet in snippets}) > 1:
        yield Finding("it holds several clips; the pipeline has a file a clip, so split it", False)


def _snippet(file: h5py.File, name: str) -> Iterator[Finding | layout.Episode]:
    """What is wrong in a snippet, and those of its episodes that have no errors."""
    metrics, columns = vars(layout.read_metrics(file, name)), layout.observable_columns(file)
    n_start, n_steps = int(file["n_start_rollouts"][()]), parse_snippet(name).n_steps
    for k in range(n_start + int(file["n_rsi_rollouts"][()])):
        try:
            episode = layout.read_episode(file, name, k)
            record = Record(
                episode=episode,
                columns=columns,
                pictures=_pictures(file, name, k),
                n_steps=n_steps,
                last_step=n_steps - int(max(file["ref_steps"])),
                from_start=k < n_start,
                metrics={metric: float(values[k]) for metric, values in metrics.items()},
            )
            found = [Finding(what, error, name, k, check) for check, what, error in check_episode(record)]
        except (InputError, *_DAMAGE) as error:
            found = [Finding(_told(error), True, name, k, "read_episode")]
        yield from found
        if not _errors(found):
            yield episode


def _pictures(file: h5py.File, name: str, k: int) -> dict[str, tuple[int, ...]]:
    """Shapes of what each camera recorded in an episode."""
    return {camera: array.shape for camera, array in layout.pictures(file, name, k).items()}


def _statistics(file: h5py.File, own: Statistics) -> Iterator[Finding]:
    """`stats` against the episodes, in 32 bits. Published ones divide sums over actions by the observations."""
    count = int(file["stats/count"][()])
    if count != own.observations.count:
        yield Finding(
            f"stats are of {count} observations, but the episodes have {own.observations.count}: take those of "
            f"the whole dataset from dataset_metrics.npz",
            False,
        )
        return
    parts = {"proprio": own.observations, "act": own.actions, "mean_act": own.mean_actions}
    for name, moments in parts.items():
        mean, variance = (file[f"stats/{name}_{kind}"][()].astype(np.float64) for kind in ("mean", "var"))
        if _fits(mean, variance, moments, 1.0):
            continue
        if _fits(mean, variance, moments, moments.count / count):
            yield Finding(
                f"stats/{name}_mean and _var divide sums over {moments.count} actions by {count}, as published "
                f"files do: where that matters, use those of dataset_metrics.npz",
                False,
            )
        else:
            yield Finding(f"stats/{name}_mean and _var are not those of the episodes")


def _fits(mean: np.ndarray, variance: np.ndarray, moments: Moments, share: float) -> bool:
    """Whether mean and variance follow from sums that are `share` of the true ones, relative to the mean square."""
    square = moments.variance + moments.mean**2
    expected = share * moments.mean
    off = np.abs(mean - expected) / (1e-6 + np.sqrt(square))
    spread = np.abs(variance - (share * square - expected**2)) / (1e-6 + square)
    return bool(max(off.max(), spread.max()) < TOLERANCE)
