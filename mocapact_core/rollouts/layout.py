"""The layout of rollout files: one HDF5 file a clip, as MoCapAct publishes them (paper, appendix A.2).

    n_start_rollouts, n_rsi_rollouts                 S and R, int64 scalars
    ref_steps                                        int64
    observable_indices/walker/<name>                 int64 columns of `proprioceptive`
    stats/<one of STATISTICS>                        float32 (D,) and (56,); count: int64 scalar
    <snippet>/early_termination                      bool (S + R,)
    <snippet>/{start,rsi}_metrics/<one of METRICS>   (S,) and (R,)
    <snippet>/<k>/observations/proprioceptive        float32 (T + 1, D): also the state after the last action
    <snippet>/<k>/{actions,mean_actions}             float32 (T, 56)
    <snippet>/<k>/{rewards,values,advantages}        float32 (T,)
    <snippet>/<k>/observations/walker/<camera>       uint8 (T + 1, 64, 64, 3), of cameras that were asked for

Episodes 0 .. S-1 begin at the start of the snippet, S .. S+R-1 at random steps of it. `stats` are those of
the file's own episodes; those of the whole dataset are in dataset_metrics.npz. A file may hold some of the
observables only. The arrays of episodes are contiguous or, when asked, compressed in chunks; without time
stamps, so that equal content written in equal order is equal bytes.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mocapact_core.errors import InputError, nearest

HEADER = ("n_start_rollouts", "n_rsi_rollouts", "ref_steps", "observable_indices", "stats")
STATISTICS = (
    "proprio_mean",
    "proprio_var",
    "act_mean",
    "act_var",
    "mean_act_mean",
    "mean_act_var",
    "count",
)
METRICS = {
    "episode_returns": np.float32,
    "episode_lengths": np.int64,
    "norm_episode_returns": np.float64,
    "norm_episode_lengths": np.float64,
}
"""What is told of every episode, with its type."""
N_ACTIONS = 56
PROPRIOCEPTIVE = "observations/proprioceptive"
CHUNK_STEPS = 32
"""Steps of an episode that are compressed together: about those of a training sequence."""


@dataclass(frozen=True)
class Episode:
    """One rollout of T steps."""

    observations: np.ndarray
    """(T + 1, D) all observables in alphabetical order, the state after the last action included."""
    actions: np.ndarray
    """(T, 56) sampled actions, as executed."""
    mean_actions: np.ndarray
    """(T, 56) means of the distributions they were sampled from."""
    rewards: np.ndarray
    """(T,)"""
    values: np.ndarray
    """(T,) the expert's estimate of the discounted sum of rewards to come, in units of reward."""
    advantages: np.ndarray
    """(T,) generalised advantage estimate."""

    def __len__(self) -> int:
        return len(self.actions)


@dataclass(frozen=True)
class EpisodeMetrics:
    """What became of the S + R episodes of a snippet; every array has their order."""

    episode_returns: np.ndarray
    episode_lengths: np.ndarray
    norm_episode_returns: np.ndarray
    norm_episode_lengths: np.ndarray
    early_termination: np.ndarray


def write_header(
    file: h5py.File, sizes: Mapping[str, int], ref_steps: Sequence[int], n_start: int, n_rsi: int
) -> None:
    """Args: sizes: numbers in each observable, in the order of the columns, names without `walker/`."""
    file["n_start_rollouts"], file["n_rsi_rollouts"] = np.int64(n_start), np.int64(n_rsi)
    file["ref_steps"] = np.asarray(ref_steps, np.int64)
    column = 0
    for name, size in sizes.items():
        file[f"observable_indices/walker/{name}"] = np.arange(column, column + size, dtype=np.int64)
        column += size


def write_episode(file: h5py.File, snippet: str, k: int, episode: Episode, compression: int = 0) -> None:
    """Args: compression: level of gzip, 1 to 9; 0 stores the arrays as they are."""
    for field in fields(Episode):
        name = PROPRIOCEPTIVE if field.name == "observations" else field.name
        _write_array(
            file, f"{snippet}/{k}/{name}", np.asarray(getattr(episode, field.name), np.float32), compression
        )


def write_pictures(
    file: h5py.File, snippet: str, k: int, pictures: Mapping[str, np.ndarray], compression: int = 0
) -> None:
    """Args: pictures: (T + 1, 64, 64, 3) uint8 by name of the camera; compression: as for episodes."""
    for camera, frames in pictures.items():
        _write_array(file, f"{snippet}/{k}/observations/walker/{camera}", frames, compression)


def pictures(file: h5py.File, snippet: str, k: int) -> Mapping[str, h5py.Dataset]:
    """The pictures of an episode by name of the camera, unread."""
    return file.get(f"{snippet}/{k}/observations/walker", {})


def origin(file: h5py.File) -> dict[str, Any] | None:
    """The provenance of a rollout file; published ones have none."""
    return json.loads(file.attrs.get("provenance", "null"))


def _write_array(file: h5py.File, name: str, array: np.ndarray, compression: int) -> None:
    if compression:
        chunks = (min(CHUNK_STEPS, len(array)), *array.shape[1:])
        # Bytes of equal weight beside each other compress better.
        file.create_dataset(
            name, data=array, chunks=chunks, compression="gzip", compression_opts=compression, shuffle=True
        )
    else:
        file[name] = array


def write_metrics(file: h5py.File, snippet: str, n_start: int, metrics: EpisodeMetrics) -> None:
    """Args: n_start: S, where the episodes from random steps begin."""
    group = file[snippet]
    group["early_termination"] = np.asarray(metrics.early_termination, bool)
    for part, name in ((slice(n_start), "start_metrics"), (slice(n_start, None), "rsi_metrics")):
        for metric, kind in METRICS.items():
            group[f"{name}/{metric}"] = np.asarray(getattr(metrics, metric)[part], kind)


def write_statistics(file: h5py.File, statistics: Mapping[str, np.ndarray]) -> None:
    """Args: statistics: by their names in `STATISTICS`."""
    for name in STATISTICS:
        kind = np.int64 if name == "count" else np.float32
        file[f"stats/{name}"] = np.asarray(statistics[name], kind)


@contextlib.contextmanager
def open_rollouts(path: str | PathLike) -> Iterator[h5py.File]:
    """Open a rollout file for reading, after a look at whether it is whole and in this layout.

    Raises:
        InputError: there is no such file, it was cut off, or it is something else.
        OSError: it cannot be looked into, whatever is in it.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no rollout file {path}. The rule collect_rollouts makes one a clip.")
    try:
        file = h5py.File(path, "r")
    except (BlockingIOError, PermissionError) as error:  # which tell nothing of what is in the file
        reason = (
            "it is open elsewhere for writing" if isinstance(error, BlockingIOError) else "it may not be read"
        )
        raise type(error)(error.errno, reason, str(path)) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read as HDF5 ({error}): it was cut off or is something else. "
            f"`python -m mocapact_core validate --delete {path}` removes it, and the next `snakemake` makes it "
            f"again; download a published one again."
        ) from None
    with file:
        problem = _problem(file)
        if problem:
            raise InputError(
                f"{path} is not a rollout file in MoCapAct's layout: {problem}. Give a file made by the rule "
                f"collect_rollouts or one of the published dataset."
            )
        yield file


def open_dataset(paths: Sequence[str | Path]) -> Iterator[tuple[str | Path, h5py.File]]:
    """Each rollout file in turn, opened; they must show the same observables and reference steps.

    Raises:
        InputError: no file, an unreadable one (see `open_rollouts`), or one that differs from the first.
    """
    if not paths:
        raise InputError("No rollout file was given. The rule collect_rollouts makes them.")
    first: dict[str, list[int]] = {}
    for path in paths:
        with open_rollouts(path) as file:
            own = shown(file)
            first = first or own
            check_fit(path, own, paths[0], first)
            yield path, file


def shown(file: h5py.File) -> dict[str, list[int]]:
    """What the files of a dataset have in common: the columns of each observable, and `ref_steps`."""
    columns = {name: indices.tolist() for name, indices in observable_columns(file).items()}
    return {**columns, "ref_steps": file["ref_steps"][()].tolist()}


def check_fit(
    path: str | PathLike,
    own: Mapping[str, list[int]],
    first_path: str | PathLike,
    first: Mapping[str, list[int]],
) -> None:
    """Raises: InputError: the two files show different things (`shown`)."""
    differing = sorted(name for name in {*first, *own} if first.get(name) != own.get(name))
    if differing:
        raise InputError(
            f"{path} does not fit {first_path}: {', '.join(differing[:3])} differ. Rollouts of one "
            f"dataset show the same observables and tracking.ref_steps; collect one of them again."
        )


def _problem(file: h5py.File) -> str | None:
    """What is wrong with the skeleton of a rollout file. Episodes are checked when they are read."""
    missing = [name for name in HEADER if name not in file]
    missing += [f"stats/{name}" for name in STATISTICS if name not in file.get("stats", ())]
    if missing:
        return f"it has no {', '.join(missing)}"
    if "walker" not in file["observable_indices"]:
        return "it has no observable_indices/walker"
    if not snippet_names(file):
        return "it has no snippet"
    n_start, n_rsi = int(file["n_start_rollouts"][()]), int(file["n_rsi_rollouts"][()])
    for snippet in snippet_names(file):
        group = file[snippet]
        for name, n in (("start_metrics", n_start), ("rsi_metrics", n_rsi)):
            for metric in METRICS:
                if f"{name}/{metric}" not in group or group[f"{name}/{metric}"].shape != (n,):
                    return f"{snippet}/{name}/{metric} is not an array of {n}"
        if group.get("early_termination", np.zeros(0)).shape != (n_start + n_rsi,):
            return f"{snippet}/early_termination is not an array of {n_start + n_rsi}"
        there = set(group)  # faster than to ask for one after the other
        absent = [k for k in range(n_start + n_rsi) if str(k) not in there]
        if absent:
            return f"{snippet} has no episode {absent[0]}, but should have {n_start + n_rsi}"
    return None


def snippet_names(file: h5py.File) -> list[str]:
    """The snippets of a rollout file, sorted."""
    return sorted(name for name in file if name not in HEADER)


def observable_columns(file: h5py.File, observables: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Where observables (all of them when None) lie in `proprioceptive`, in the order asked.

    Raises:
        InputError: an observable that the file does not have.
    """
    columns = {name: indices[()] for name, indices in sorted(file["observable_indices/walker"].items())}
    unknown = [name for name in observables or () if name not in columns]
    if unknown:
        raise InputError(
            f"{file.filename} has no observable {unknown[0]}; it has {len(columns)}, of which the nearest "
            f"are {nearest(unknown[0], list(columns))}."
        )
    return columns if observables is None else {name: columns[name] for name in observables}


def episode_lengths(file: h5py.File, snippet: str) -> np.ndarray:
    """(S + R,) steps of the episodes of a snippet."""
    parts = [file[f"{snippet}/{part}_metrics/episode_lengths"][()] for part in ("start", "rsi")]
    return np.concatenate(parts)


def read_metrics(file: h5py.File, snippet: str) -> EpisodeMetrics:
    group = file[snippet]
    metrics = {
        name: np.concatenate([group[f"start_metrics/{name}"][()], group[f"rsi_metrics/{name}"][()]])
        for name in METRICS
    }
    return EpisodeMetrics(**metrics, early_termination=group["early_termination"][()])


def read_episodes(file: h5py.File, snippet: str) -> Iterator[Episode]:
    """All S + R episodes of a snippet, one after the other; errors as in `read_episode`."""
    for k in range(len(file[f"{snippet}/early_termination"])):
        yield read_episode(file, snippet, k)


def read_episode(file: h5py.File, snippet: str, k: int) -> Episode:
    """Raises: InputError: an array is missing, or the arrays do not fit each other."""
    group = file[f"{snippet}/{k}"]
    try:
        episode = Episode(
            observations=group[PROPRIOCEPTIVE][()],
            **{field.name: group[field.name][()] for field in fields(Episode)[1:]},
        )
    except (KeyError, OSError) as error:
        raise InputError(f"{file.filename}: episode {k} of {snippet} cannot be read ({error}).") from None
    steps = {len(episode.observations) - 1, *(len(getattr(episode, f.name)) for f in fields(Episode)[1:])}
    if len(steps) != 1:
        raise InputError(
            f"{file.filename}: the arrays of episode {k} of {snippet} are of different lengths "
            f"({', '.join(map(str, sorted(steps)))} steps). Collect or download this file again."
        )
    return episode
