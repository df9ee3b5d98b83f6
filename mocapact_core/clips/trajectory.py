"""Reference motion of the humanoid, in memory and in dm_control's HDF5 format.

A file holds one group a clip, with the attributes dt, num_steps, year, month and day, and in it
`walkers/walker_0` with one (features, frames) array a field. See dm_control/locomotion/mocap.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.errors import InputError, nearest
from mocapact_core.files import writing_hdf5
from mocapact_core.provenance import as_text

DT = 0.03  # seconds between frames: the control step
MODEL = 4  # CMU_2020 in dm_control's Walker.Model
SHAPES: dict[str, tuple[int, ...]] = {
    "position": (3,),
    "quaternion": (4,),
    "joints": (56,),
    "velocity": (3,),
    "angular_velocity": (3,),
    "joints_velocity": (56,),
    "center_of_mass": (3,),
    "end_effectors": (4, 3),
    "appendages": (5, 3),
    "body_positions": (31, 3),
    "body_quaternions": (31, 4),
}
"""The fields of a trajectory and the shape of one frame."""

_MODELS = {0: "unspecified", 1: "CMU_2019"}  # of dm_control's Walker.Model, those that are not ours
_REMEDY = (
    "Use motion of dm_control's CMU humanoid of 2020 at 0.03 s a frame, or import the ASF/AMC original "
    "with `python -m mocapact_core import-amc`."
)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The motion of one clip: float64 arrays with time first, T frames `dt` apart.

    Joints are in reference order (`humanoid.model.JOINTS`), bodies are the 31 tracked ones; units are
    metres, radians and seconds.
    """

    name: str
    dt: float
    position: np.ndarray
    """(T, 3) of the root."""
    quaternion: np.ndarray
    """(T, 4) of the root, w first."""
    joints: np.ndarray
    """(T, 56)"""
    velocity: np.ndarray
    """(T, 3) of the root, in the world."""
    angular_velocity: np.ndarray
    """(T, 3) of the root, in its own frame, as in the qvel of a free joint."""
    joints_velocity: np.ndarray
    """(T, 56)"""
    center_of_mass: np.ndarray
    """(T, 3) of the whole humanoid, in the world."""
    end_effectors: np.ndarray
    """(T, 4, 3) right and left lower arm, right and left foot, in the root's frame."""
    appendages: np.ndarray
    """(T, 5, 3) the end effectors and the head, in the root's frame."""
    body_positions: np.ndarray
    """(T, 31, 3) in the world."""
    body_quaternions: np.ndarray
    """(T, 31, 4) in the world."""

    def __len__(self) -> int:
        return len(self.position)

    @property
    def n_steps(self) -> int:
        """Control steps from the first to the last frame."""
        return len(self) - 1

    def segment(self, start: int, end: int) -> "Trajectory":
        """The frames from `start` to `end`, both included and clipped to the clip, as in dm_control."""
        start, end = (int(np.clip(step, 0, self.n_steps)) for step in (start, end))
        if end < start:
            raise InputError(
                f"Steps {start} to {end} of {self.name} hold no motion: the end is before the start."
            )
        part = {name: getattr(self, name)[start : end + 1] for name in SHAPES}
        return Trajectory(f"{self.name}-{start}-{end}", self.dt, **part)

    def qpos(self) -> np.ndarray:
        """(T, 63) positions in MuJoCo's order."""
        from mocapact_core.humanoid.model import layout

        qpos = np.concatenate([self.position, self.quaternion, np.empty_like(self.joints)], axis=1)
        qpos[:, layout().joint_qpos] = self.joints
        return qpos

    def qvel(self) -> np.ndarray:
        """(T, 62) velocities in MuJoCo's order."""
        from mocapact_core.humanoid.model import layout

        qvel = np.concatenate([self.velocity, self.angular_velocity, np.empty_like(self.joints)], axis=1)
        qvel[:, layout().joint_qvel] = self.joints_velocity
        return qvel


assert [field.name for field in fields(Trajectory)] == ["name", "dt", *SHAPES]


def write_trajectory(
    path: str | PathLike, trajectory: Trajectory, provenance: dict[str, Any] | None = None
) -> None:
    """Write one clip in dm_control's format. Equal motion of equal provenance makes equal bytes.

    Args:
        provenance: plain JSON, kept as an attribute of the file, which readers of motion do not look at.
    """
    with writing_hdf5(path) as file:
        if provenance:
            file.attrs["provenance"] = as_text(provenance)
        clip = file.create_group(trajectory.name)
        clip.attrs["dt"] = np.float64(trajectory.dt)
        clip.attrs["num_steps"] = np.int64(len(trajectory))
        for name, value in {"year": 2020, "month": 1, "day": 1}.items():  # dm_control's readers want a date
            clip.attrs[name] = np.int64(value)
        clip.create_group("props")
        walker = clip.create_group("walkers/walker_0")
        walker.attrs["model"] = np.int64(MODEL)
        walker.attrs["name"] = np.bytes_(b"walker")
        walker.create_group("scaling")
        walker.create_group("markers")
        for name in SHAPES:
            rows = getattr(trajectory, name).reshape(len(trajectory), -1).T
            walker.create_dataset(name, data=np.ascontiguousarray(rows, dtype=np.float64), track_times=False)


def read_trajectory(path: str | PathLike, clip: str | None = None) -> Trajectory:
    """Read one clip; without a name, the only clip of the file.

    Raises:
        InputError: the file is missing, cut or not of this format; it has no such clip; the clip is of
            another model or rate, or its arrays do not fit together.
    """
    with _open(path) as file:
        group = file[_choose(path, clip, list(file))]
        name = group.name[1:]
        n_frames = _check(path, name, group)
        walker = group["walkers/walker_0"]
        arrays = {field: _frames(path, name, walker, field, n_frames) for field in SHAPES}
        return Trajectory(name, float(group.attrs["dt"]), **arrays)


def clip_names(path: str | PathLike) -> list[str]:
    """The clips of a file, sorted; errors as in `read_trajectory`."""
    with _open(path) as file:
        names = sorted(file)
    if not names:
        raise InputError(
            f"{path} holds no clips. Give the path of a file with motion in dm_control's format."
        )
    return names


def gather_clips(paths: Iterable[str | PathLike], output: str | PathLike) -> None:
    """Write the clips of some files to one, as they are, each with the provenance of its file as an attribute.

    The order of the paths does not matter: equal clips make equal bytes.

    Raises:
        InputError: a file is missing, cut or not of this format, or two of them have a clip of the same name.
    """
    with writing_hdf5(output) as gathered:
        for path in sorted(paths, key=str):
            with _open(path) as file:
                for name in file:
                    if name in gathered:
                        raise InputError(
                            f"{path} has a clip {name}, as has another file. Leave one of them out."
                        )
                    file.copy(name, gathered)
                    if provenance := file.attrs.get("provenance"):
                        gathered[name].attrs["provenance"] = provenance


def clip_lengths(path: str | PathLike, clips: Iterable[str] | None = None) -> dict[str, int]:
    """The control steps of some clips or all, sorted by name. Reads no motion; errors as above."""
    with _open(path) as file:
        names = sorted(file) if clips is None else [_choose(path, clip, list(file)) for clip in sorted(clips)]
        return {name: _check(path, name, file[name]) - 1 for name in names}


@contextmanager
def _open(path: str | PathLike) -> Iterator:
    """The opened file; what h5py raises in the block becomes an error that names the file and a remedy."""
    import h5py

    if not Path(path).is_file():
        raise InputError(
            f"There is no motion file {path}. Give the path of an HDF5 file in dm_control's format."
        )
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as motion in dm_control's HDF5 format ({_line(error)}). It may be cut or "
            "damaged, or not be such a file: copy, download or export it again."
        ) from None


def _line(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split())


def _choose(path: str | PathLike, clip: str | None, names: list[str]) -> str:
    if clip is None and len(names) == 1:
        return names[0]
    if clip is None:
        raise InputError(f"{path} holds {len(names)} clips; name the one to read, such as {names[:3]}.")
    if clip not in names:
        raise InputError(
            f"Clip {clip} is not in {path}, which holds {len(names)} clips; "
            f"the nearest are {nearest(clip, names)}."
        )
    return clip


def _check(path: str | PathLike, name: str, group) -> int:
    """The number of frames, once the attributes are those of motion of our humanoid."""
    walkers = group["walkers"]
    dt, model = float(group.attrs["dt"]), int(walkers["walker_0"].attrs["model"])
    n_frames = int(group.attrs["num_steps"])
    if len(walkers) != 1:
        raise InputError(f"Clip {name} in {path} has {len(walkers)} walkers, but clips of one are expected.")
    if model != MODEL:
        other = _MODELS.get(model, "unknown")
        raise InputError(f"Clip {name} in {path} is motion of another model: {model} ({other}). {_REMEDY}")
    if abs(dt - DT) > 1e-6:
        raise InputError(f"Clip {name} in {path} has another rate: a frame every {dt:g} s. {_REMEDY}")
    if n_frames < 2:
        raise InputError(
            f"Clip {name} in {path} has {n_frames} frames, but motion needs 2 at least. {_REMEDY}"
        )
    return n_frames


def _frames(path: str | PathLike, name: str, walker, field: str, n_frames: int) -> np.ndarray:
    """One field with time first."""
    rows = np.asarray(walker[field][()], dtype=np.float64)
    expected = (int(np.prod(SHAPES[field])), n_frames)
    if rows.shape != expected:
        raise InputError(
            f"Clip {name} in {path} has {field} of shape {rows.shape}, but {expected} is expected. {_REMEDY}"
        )
    if not np.isfinite(rows).all():
        raise InputError(f"Clip {name} in {path} has values in {field} that are not numbers. {_REMEDY}")
    return np.ascontiguousarray(rows.T).reshape(n_frames, *SHAPES[field])
