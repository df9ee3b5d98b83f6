"""Where motion comes from: what there is of it, and one clip at a time.

Planning is quick and needs no motion where lengths are known beforehand (builtin, cmu2020); else it reads
the lengths of the clips that are asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocapact_core.clips.cmu_table import cmu_lengths
from mocapact_core.clips.snippets import Snippet, resolve, select, split_clips
from mocapact_core.errors import InputError, nearest
from mocapact_core.settings import ClipSettings, TrackingSettings

if TYPE_CHECKING:
    from mocapact_core.clips.trajectory import Trajectory


@dataclass(frozen=True)
class Plan:
    """What the settings ask for."""

    clips: dict[str, int]
    """Control steps of each clip, sorted by name."""
    snippets: list[Snippet]
    """Sorted by clip and start."""


def plan(settings: ClipSettings, tracking: TrackingSettings | None = None) -> Plan:
    """The clips and snippets that the settings ask for.

    Raises:
        InputError: the source is missing or damaged, the subset names what does not exist, or a snippet is
            too short for the reference steps of the tracking task.
    """
    place = f"in {settings.path}" if settings.path else f"of the source {settings.source}"
    asked = resolve(clip_names(settings), settings.subset, place)
    lengths = clip_lengths(settings, asked.clips)
    every = split_clips(lengths, settings.max_snippet_steps, settings.overlap_steps)
    snippets = select(every, settings.subset, place)
    _check_horizon(settings, snippets, max((tracking or TrackingSettings()).ref_steps))
    return Plan(lengths, snippets)


def clip_names(settings: ClipSettings) -> list[str]:
    """All clips of the source, sorted."""
    if settings.source == "builtin":
        from mocapact_core.clips.builtin import BUILTIN

        return sorted(BUILTIN)
    if settings.source == "cmu2020":
        from mocapact_core.clips.cmu import find_archive

        find_archive(settings.path)  # need not be there yet, but must not be another file
        return sorted(cmu_lengths())
    if settings.source == "amc":
        return sorted(_amc_files(_path(settings)))
    from mocapact_core.clips import trajectory

    return trajectory.clip_names(_path(settings))


def clip_lengths(settings: ClipSettings, clips: Iterable[str]) -> dict[str, int]:
    """The control steps of some clips of the source, which must exist; sorted by name.

    Raises:
        InputError: a file is missing, damaged, of another model or rate, or an AMC has no ASF.
    """
    if settings.source == "builtin":
        from mocapact_core.clips.builtin import BUILTIN

        lengths = BUILTIN
    elif settings.source == "cmu2020":
        lengths = cmu_lengths()
    elif settings.source == "amc":
        from mocapact_core.clips.amc import n_steps_of

        lengths = {
            clip: n_steps_of(clip_files(settings, clip)[0], _frame_rate(settings, clip)) for clip in clips
        }
    else:
        from mocapact_core.clips import trajectory

        return trajectory.clip_lengths(_path(settings), clips)
    return {clip: lengths[clip] for clip in sorted(clips)}


def clip_files(settings: ClipSettings, clip: str) -> list[Path]:
    """The files that one clip is made from: none, the HDF5 file, or an AMC and, where it has one, its ASF file.

    For cmu2020 the file need not exist yet: `cmu.fetch_archive` brings it.
    """
    if settings.source == "builtin":
        return []
    if settings.source == "cmu2020":
        from mocapact_core.clips.cmu import archive_place

        return [archive_place(settings.path)]
    if settings.source == "amc":
        from mocapact_core.clips.amc import find_asf

        amc = _member(_amc_files(_path(settings)), clip, settings)
        return [amc] if clip in settings.leg_lengths else [amc, find_asf(amc, _path(settings))]
    return [_path(settings)]


def extract(settings: ClipSettings, clip: str) -> "Trajectory":
    """One clip from its source; cmu2020 downloads its file when it is missing.

    Raises:
        InputError: there is no such clip, or it is damaged or not motion of our humanoid.
    """
    if settings.source == "builtin":
        from mocapact_core.clips.builtin import builtin_trajectory

        return builtin_trajectory(clip)
    if settings.source == "amc":
        from mocapact_core.clips.retarget import import_amc

        amc, *asf = clip_files(settings, clip)
        rate, leg = _frame_rate(settings, clip), settings.leg_lengths.get(clip)
        return import_amc(amc, asf[0] if asf else None, name=clip, fps=rate, leg_length=leg)

    from mocapact_core.clips.cmu import fetch_archive
    from mocapact_core.clips.kinematics import check_bodies
    from mocapact_core.clips.trajectory import read_trajectory

    path = fetch_archive(settings.path) if settings.source == "cmu2020" else _path(settings)
    trajectory = read_trajectory(path, clip)
    check_bodies(trajectory, str(path))
    return trajectory


def write_clip(settings: ClipSettings, clip: str, path: str | PathLike) -> None:
    """Write one clip from its source to a file of its own, with its provenance; errors as in `extract`."""
    from mocapact_core.clips.trajectory import write_trajectory

    trajectory = extract(settings, clip)
    write_trajectory(path, trajectory, clip_provenance(settings, clip))


def clip_provenance(settings: ClipSettings, clip: str) -> dict[str, Any]:
    """The provenance of a clip. Of a file that holds many clips, only its own content counts."""
    from mocapact_core.clips.content import clip_digest
    from mocapact_core.provenance import provenance

    if settings.source == "builtin":
        return provenance({"source": settings.source}, {})
    if settings.source == "amc":
        amc, *asf = clip_files(settings, clip)
        rate, leg = _frame_rate(settings, clip), settings.leg_lengths.get(clip)
        shaping = {"source": settings.source, "frame_rate": rate, "leg_length": leg}
        return provenance(shaping, {"amc": amc, "asf": asf[0] if asf else None})
    [archive] = clip_files(settings, clip)
    return {**provenance({"source": settings.source}, {}), "inputs": {"clip": clip_digest(archive, clip)}}


def _path(settings: ClipSettings) -> Path:
    if settings.path is None:
        what = {"hdf5": "file in dm_control's HDF5 format", "amc": "folder of ASF/AMC files"}[settings.source]
        raise InputError(f"clips.source is {settings.source}, but clips.path is empty: set it to the {what}.")
    return Path(settings.path).expanduser()


@cache
def _amc_files(folder: Path) -> dict[str, Path]:
    from mocapact_core.clips.amc import find_amc

    return find_amc(folder)


def _frame_rate(settings: ClipSettings, clip: str) -> float:
    from mocapact_core.clips.amc import FRAME_RATE

    return settings.frame_rates.get(clip, FRAME_RATE)


def _member(files: dict[str, Path], clip: str, settings: ClipSettings) -> Path:
    if clip not in files:
        raise InputError(
            f"Clip {clip} is not in {settings.path}, which holds {len(files)} clips; the nearest are "
            f"{nearest(clip, list(files))}."
        )
    return files[clip]


def _check_horizon(settings: ClipSettings, snippets: list[Snippet], horizon: int) -> None:
    short = [snippet for snippet in snippets if snippet.n_steps < horizon + 1]
    if short:
        names = ", ".join(f"{snippet} ({snippet.n_steps} steps)" for snippet in short[:5])
        raise InputError(
            f"{len(short)} of the snippets in {settings.path or settings.source} are too short: {names}. "
            f"With observations that look {horizon} steps ahead (tracking.ref_steps), a snippet needs "
            f"{horizon + 1} steps at least: leave the clip out of clips.subset, or lower tracking.ref_steps."
        )
