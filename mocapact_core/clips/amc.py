"""Motion in Acclaim's AMC format: finding the files, reading them, and how long a clip each becomes.

A folder of motion holds .amc and .asf files anywhere below it. The subject of `16_15.amc` is what stands
before the first underscore, so its skeleton is `16.asf`. CMU's names become those of the published data:
`16_15.amc` is the clip `CMU_016_15`; other files give the clip their stem.

A file that breaks off inside a frame is an error and not shortened in silence, because nothing in it tells
whether one frame is missing or half of the motion. The message names the command that keeps the whole
frames.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapact_core.errors import InputError

FRAME_RATE = 120.0  # frames a second of nearly all CMU trials; a few have 60
STEP = 0.03  # seconds; rate of reference motion
DROPPED = 3
"""The published clips are this many frames shorter than their AMC sampled at 0.03 s. Which ones are missing
is not known; we drop the last, so that a whole trial has the published length and the published snippets
apply."""


@dataclass(frozen=True)
class Motion:
    """The content of an AMC file."""

    path: Path
    bones: dict[str, np.ndarray]
    """(n_frames, degrees of freedom) of each bone: angles in radians; `root` has three positions in the
    skeleton's unit of length and three angles."""

    @property
    def n_frames(self) -> int:
        return len(self.bones["root"])


def clip_name(path: str | Path) -> str:
    """The clip that a motion file becomes: `16_15.amc` is CMU_016_15, `my_dance.amc` is my_dance."""
    stem = Path(path).stem
    cmu = re.fullmatch(r"(\d{1,3})_(\d{1,2})", stem)
    return f"CMU_{int(cmu[1]):03d}_{int(cmu[2]):02d}" if cmu else stem


def find_amc(folder: str | Path) -> dict[str, Path]:
    """The motion files anywhere below a folder, by clip name, sorted.

    Raises:
        InputError: no folder, no motion in it, or two files for one clip.
    """
    found: dict[str, Path] = {}
    if not Path(folder).is_dir():
        raise InputError(
            f"There is no folder {folder} of AMC files; set clips.path to the folder that holds them."
        )
    for path in _files(Path(folder).rglob("*"), ".amc"):
        name = clip_name(path)
        if name in found:
            raise InputError(
                f"{found[name]} and {path} both are the clip {name}: rename or remove one of them."
            )
        found[name] = path
    if not found:
        raise InputError(
            f"There is no .amc file in {folder} or below it; set clips.path to the folder that holds them."
        )
    return dict(sorted(found.items()))


def find_asf(amc_path: str | Path, folder: str | Path | None = None) -> Path:
    """The skeleton of a motion: the .asf file named like the motion or like its subject.

    It may lie beside the motion, one folder up, in a folder `asf` at either place, or anywhere below
    `folder`.

    Raises:
        InputError: there is none.
    """
    path = Path(amc_path)
    near = [path.parent, path.parent / "asf", path.parent.parent, path.parent.parent / "asf"]
    candidates = _files((file for place in near for file in place.glob("*")), ".asf")
    if folder is not None:
        candidates += _files(Path(folder).rglob("*"), ".asf")
    names = [path.stem, path.stem.split("_")[0]]
    for name in names:
        for candidate in candidates:
            if _same(candidate.stem, name):
                return candidate
    below = "" if folder is None else f", nor anywhere below {folder}"
    raise InputError(
        f"{path} has no skeleton: {names[1]}.asf is neither beside it nor in a folder asf near it{below}. "
        "Put the subject's ASF file there, give the subject's leg length (hip to ankle, in metres) in "
        "clips.leg_lengths or with --leg-length, or leave the clip out of clips.subset."
    )


def n_steps_of(path: str | Path, fps: float = FRAME_RATE) -> int:
    """Control steps of the clip that this file becomes, exactly; quick, as it reads no numbers.

    Raises:
        InputError: the file is no AMC, breaks off inside a frame, or is too short.
    """
    _, starts = _split(Path(path))
    return n_steps(len(starts), fps, path)


def n_steps(n_frames: int, fps: float, path: str | Path) -> int:
    """Control steps of a clip with so many frames a second."""
    if not fps >= 20:
        raise InputError(
            f"{path} cannot be imported at {fps} frames a second, fewer than 20; CMU's have 120, a few 60."
        )
    samples = math.floor((n_frames - 1) / (fps * STEP) + 1e-9) + 1
    if samples - 1 - DROPPED < 1:
        raise InputError(
            f"{path} has only {n_frames} frames; a clip needs {math.ceil(4 * fps * STEP) + 1} or more."
        )
    return samples - 1 - DROPPED


def read_amc(path: str | Path) -> Motion:
    """Read a motion.

    Raises:
        InputError: the file is no AMC, breaks off inside a frame, or holds something else than numbers.
    """
    path = Path(path)
    lines, starts = _split(path)
    words = [line.split() for line in lines[starts[0] : starts[1]]][1:]
    in_radians = any(line.upper() == ":RADIANS" for line in lines[: starts[0]])
    bones = {}
    for row, (name, *numbers) in enumerate(words, start=1):
        values = _numbers(path, [lines[start + row] for start in starts], name, len(numbers))
        bones[name] = values if in_radians else values * _radians(name, len(numbers))
    if "root" not in bones or bones["root"].shape[1] != 6:
        raise InputError(f"{path} does not give the root six numbers; is it an AMC file in CMU's format?")
    return Motion(path, bones)


def _files(paths: Iterable[Path], suffix: str) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() == suffix and path.is_file())


def _same(stem: str, name: str) -> bool:
    """Whether two names mean one subject; 02 and 2 do."""
    if stem.isdecimal() and name.isdecimal():
        return int(stem) == int(name)
    return stem.lower() == name.lower()


def text_of(path: Path) -> str:
    """The content of a file, errors as for all input."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"There is no file {path}.") from None


def _split(path: Path) -> tuple[list[str], list[int]]:
    """The lines of an AMC file without blank ones, and where each frame's number stands among them."""
    lines = [line for line in map(str.strip, text_of(path).split("\n")) if line]
    starts = [i for i, line in enumerate(lines) if line.isdecimal()]
    if len(starts) < 2:
        raise InputError(
            f"{path} does not hold two frames of motion; is it an AMC file, and whole? Get it again."
        )
    first, height = int(lines[starts[0]]), starts[1] - starts[0]
    for frame, start in enumerate(starts[:-1]):
        if starts[frame + 1] - start != height or int(lines[start]) != first + frame:
            raise InputError(
                f"{path} is damaged: frame {first + frame} is missing or not like the first. Get it again."
            )
    rest = len(lines) - starts[-1]
    if rest < height or (rest == height and not _same_shape(lines[-1], lines[starts[1] - 1])):
        raise InputError(_truncated(path, first + len(starts) - 1))
    if rest > height:
        raise InputError(f"{path} is damaged: more than a frame follows its last frame number. Get it again.")
    return lines, starts


def _same_shape(line: str, model: str) -> bool:
    words, expected = line.split(), model.split()
    return len(words) == len(expected) and words[0] == expected[0]


def _truncated(path: Path, frame: int) -> str:
    numbers = [i for i, line in enumerate(text_of(path).split("\n")) if line.strip().isdecimal()]
    return (
        f"{path} breaks off inside frame {frame}. Get the file again; or, if this is all there is, keep its "
        f"whole frames: head -n {numbers[-1]} {path.name} > whole.amc"
    )


def _numbers(path: Path, lines: list[str], name: str, size: int) -> np.ndarray:
    """(n_frames, size) values of a bone, one line a frame."""
    words = " ".join(lines).split()
    try:
        if set(words[:: size + 1]) != {name}:
            raise ValueError
        values = np.array(words).reshape(len(lines), size + 1)[:, 1:].astype(float)
        if not np.isfinite(values).all():
            raise ValueError
    except ValueError:
        raise InputError(
            f"{path} is damaged: not every frame gives the bone {name} {size} numbers. Get the file again."
        ) from None
    return values


def _radians(bone: str, size: int) -> np.ndarray:
    """(size,) factors from degrees; the root's first three numbers are positions."""
    factors = np.full(size, math.pi / 180)
    if bone == "root":
        factors[:3] = 1.0
    return factors
