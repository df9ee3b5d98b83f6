"""A subject's skeleton in Acclaim's ASF format."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapact_core.clips.amc import text_of
from mocapact_core.errors import InputError

INCH = 0.0254  # metres
CMU_UNIT = INCH / 0.45  # metres in the unit of length of all CMU files


@dataclass(frozen=True)
class Skeleton:
    """The content of an ASF file that retargeting needs."""

    path: Path
    unit: float
    """Metres in the file's unit of length."""
    lengths: dict[str, float]
    """Of each bone in metres."""
    axes: dict[str, np.ndarray]
    """(3,) Euler angles x, y, z of each bone's frame in the zero pose, radians."""
    freedoms: dict[str, tuple[str, ...]]
    """Degrees of freedom of each bone in the order of the AMC's numbers, such as ('rx', 'rz')."""

    @property
    def leg_length(self) -> float:
        """From hip over knee to ankle in metres, the mean of both legs."""
        return sum(self.lengths[side + bone] for side in "lr" for bone in ("femur", "tibia")) / 2


def read_asf(path: str | Path) -> Skeleton:
    """Read a skeleton.

    Raises:
        InputError: the file is no ASF, is cut, lacks the bones of a leg, or has another order of angles.
    """
    path = Path(path)
    text = text_of(path)
    try:
        sections = _sections(text)
        _check_root(sections["root"])
        _blocks(sections["hierarchy"])  # not used, but its end is the end of a whole file
        units = dict(line.split()[:2] for line in sections["units"])
        unit = INCH / float(units["length"])
        to_radians = 1.0 if units.get("angle", "deg").startswith("rad") else math.pi / 180
        bones = [_bone(block) for block in _blocks(sections["bonedata"])]
        skeleton = Skeleton(
            path,
            unit,
            lengths={bone["name"][0]: float(bone["length"][0]) * unit for bone in bones},
            axes={bone["name"][0]: np.array(bone["axis"][:3], float) * to_radians for bone in bones},
            freedoms={bone["name"][0]: tuple(word.lower() for word in bone.get("dof", ())) for bone in bones},
        )
        if not 0 < skeleton.leg_length < math.inf:
            raise ValueError("a leg without length")
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        raise InputError(
            f"{path} cannot be used as a skeleton ({error}). An ASF file has :units, :root, :bonedata with "
            "name, length and axis of each bone, lfemur, ltibia, rfemur and rtibia among them, and "
            ":hierarchy. Get the file again."
        ) from None
    return skeleton


def _check_root(lines: list[str]) -> None:
    root = {key: " ".join(words).upper() for key, *words in map(str.split, lines)}
    if (root["order"], root["axis"]) != ("TX TY TZ RX RY RZ", "XYZ"):
        raise ValueError("the root's order is not TX TY TZ RX RY RZ about the axes XYZ")


def _sections(text: str) -> dict[str, list[str]]:
    """The lines below each `:keyword` of an ASF file, without comments."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in map(str.strip, text.split("\n")):
        if line.startswith(":"):
            current = sections.setdefault(line[1:].split()[0].lower(), [])
        elif line and not line.startswith("#"):
            current.append(line)
    return sections


def _blocks(lines: list[str]) -> list[list[str]]:
    """The lines between each `begin` and `end`."""
    blocks: list[list[str]] = []
    inside = False
    for line in lines:
        if line == "begin":
            blocks.append([])
        elif inside and line != "end":
            blocks[-1].append(line)
        inside = line != "end"
    if inside:
        raise ValueError("it breaks off")
    return blocks


def _bone(block: list[str]) -> dict[str, list[str]]:
    return {key: words for key, *words in map(str.split, block)}
