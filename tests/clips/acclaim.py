"""Small ASF and AMC files of CMU's skeleton, written for a test."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mocapact_core.humanoid.model import JOINTS, load_model

FRAME_RATE = 120
FREEDOMS: dict[str, list[str]] = {}
for joint in reversed(JOINTS):  # CMU gives x before y before z
    FREEDOMS.setdefault(joint[:-2], []).append(joint[-2:])


def write_asf(path: Path, thigh: float = 7.0, shank: float = 8.0, axes: dict | None = None) -> Path:
    """A skeleton with legs of these lengths, in units of 0.0254/0.45 m, and the axes of the humanoid."""
    model = load_model()
    lengths = {"femur": thigh, "tibia": shank}
    lines = [":version 1.10", ":name VICON", ":units", "  mass 1.0", "  length 0.45", "  angle deg", ":root"]
    lines += ["   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0", ":bonedata"]
    for bone, freedoms in FREEDOMS.items():
        rotation = Rotation.identity()
        body = model.body(f"walker/{bone}").id
        while body > model.body("walker/root").id:
            rotation = Rotation.from_quat(model.body_quat[body], scalar_first=True) * rotation
            body = model.body_parentid[body]
        x, y, z = (axes or {}).get(bone, rotation.as_euler("xyz", degrees=True))
        lines += ["  begin", f"     name {bone}", f"     length {lengths.get(bone[1:], 1.0)}"]
        lines += [f"     axis {x:.6g} {y:.6g} {z:.6g}  XYZ", f"    dof {' '.join(freedoms)}", "  end"]
    lines += [":hierarchy", "  begin", "    root lfemur rfemur", "  end"]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_amc(
    path: Path,
    n_frames: int = 120,
    root: np.ndarray | None = None,
    joints: dict[str, np.ndarray] | None = None,
    newline: str = "\n",
) -> Path:
    """A motion with a root (n_frames, 6) and some joints (n_frames,) in degrees; the rest stays at zero."""
    root = np.tile([0.0, 17.0, 0, 0, 0, 0], (n_frames, 1)) if root is None else root
    lines = ["#!OML:ASF H:\\somebody.ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(n_frames):
        lines += [str(frame + 1), "root " + " ".join(f"{value:.9g}" for value in root[frame])]
        for bone, freedoms in FREEDOMS.items():
            values = [(joints or {}).get(bone + freedom, np.zeros(n_frames))[frame] for freedom in freedoms]
            lines.append(bone + " " + " ".join(f"{value:.9g}" for value in values))
    path.write_bytes((newline.join(lines) + newline).encode())
    return path
