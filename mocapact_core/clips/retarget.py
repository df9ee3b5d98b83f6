"""The motion of a subject on the humanoid.

The humanoid's bodies have the axes of CMU's skeletons, so joint angles are copied by name. What remains:

- Size: the path of the root is scaled by the lengths of the legs, so that the feet do not slide.
- Feet: their angles differ by a constant between the humanoid, whose soles are flat, and CMU's skeletons.
- Capture: bones that are not solved yet, glitches of a frame or two, noise; then sampling at 0.03 s.
- Joint limits: see `joint_limits`.
- Height: what the soles stand on becomes the floor.
"""

from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation, Slerp

from mocapact_core.clips.amc import FRAME_RATE, Motion, clip_name, find_asf, n_steps, read_amc
from mocapact_core.clips.asf import CMU_UNIT, Skeleton, read_asf
from mocapact_core.clips.joint_limits import within_limits
from mocapact_core.clips.kinematics import body_kinematics, trajectory_from_motion
from mocapact_core.clips.trajectory import DT, Trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import JOINTS, layout, load_model
from mocapact_core.humanoid.rotations import quat_distance, quat_to_matrix

UPRIGHT = Rotation.from_matrix([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # from y up to z up
FOOT_OFFSET = -0.17  # radians, added to both footrx: soles are flat at -0.38 (humanoid) and -0.21 (CMU)
GLITCH = 5 / 120  # seconds, the window of the median; what lasts less than half of it is a glitch
CUTOFF = 8.0  # hertz, of the low-pass filter
STANCE_SPEED = 0.5  # metres a second; the lower foot stands when its ankle is slower
AXES_TOLERANCE = np.deg2rad(1.0)  # between the bones of a skeleton and the bodies of the humanoid

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Position (T, 3) and quaternion (T, 4), w first, of the root, and joints (T, 56) in reference order."""


def import_amc(
    amc_path: str | Path,
    asf_path: str | Path | None = None,
    name: str | None = None,
    fps: float = FRAME_RATE,
    leg_length: float | None = None,
) -> Trajectory:
    """Import one motion of the CMU database, or of another subject with CMU's skeleton.

    Args:
        amc_path: the motion.
        asf_path: the subject's skeleton; by default looked for near the motion, see `amc.find_asf`.
        name: of the clip; by default CMU_016_15 for 16_15.amc, and the stem of other files.
        fps: frames a second of the motion: 120, for a few trials of CMU 60.
        leg_length: of the subject, hip to knee to ankle, in metres; for motion that has no skeleton.

    Raises:
        InputError: a file is missing, damaged or too short, or the skeleton is not CMU's.
    """
    motion = read_amc(amc_path)
    n_frames = n_steps(motion.n_frames, fps, amc_path) + 1
    skeleton = None
    if asf_path is not None or leg_length is None:
        skeleton = read_asf(find_asf(amc_path) if asf_path is None else asf_path)
        _check_axes(skeleton)
    position, quaternion, joints = _pose(motion, skeleton)
    position *= _scale(motion, skeleton, leg_length)
    position, quaternion, joints = _resample(*_smooth(position, quaternion, joints, fps), fps, n_frames)
    joints = within_limits(joints)
    position[:, 2] -= _floor(position, quaternion, joints)
    return trajectory_from_motion(name or clip_name(amc_path), position, quaternion, joints)


def _pose(motion: Motion, skeleton: Skeleton | None) -> Arrays:
    """The motion with z up, still in the file's frames and unit of length."""
    position, angles = np.split(motion.bones["root"], 2, axis=1)
    rotation = UPRIGHT * Rotation.from_euler("xyz", angles)
    joints = np.empty((motion.n_frames, len(JOINTS)))
    for bone, freedoms in _freedoms(motion, skeleton).items():
        columns = [JOINTS.index(bone + freedom) for freedom in freedoms]
        joints[:, columns] = _hold_first(motion.bones[bone])
    for side in "lr":
        joints[:, JOINTS.index(f"{side}footrx")] += FOOT_OFFSET
    return UPRIGHT.apply(position), rotation.as_quat(scalar_first=True), joints


def _freedoms(motion: Motion, skeleton: Skeleton | None) -> dict[str, list[str]]:
    """What the numbers of each bone are; without skeleton, CMU's order, which is the humanoid's backwards."""
    cmu: dict[str, list[str]] = {}
    for joint in reversed(JOINTS):
        cmu.setdefault(joint[:-2], []).append(joint[-2:])
    found = {bone: len(values.T) for bone, values in motion.bones.items() if bone != "root"}
    expected = {bone: len(freedoms) for bone, freedoms in cmu.items()}
    freedoms = cmu if skeleton is None else {b: list(skeleton.freedoms.get(b, ())) for b in cmu}
    other = sorted(bone for bone in {*found, *expected} if found.get(bone) != expected.get(bone))
    other += sorted(bone for bone in cmu if sorted(freedoms[bone]) != sorted(cmu[bone]))
    if other:
        origin = motion.path if skeleton is None else f"{motion.path} with {skeleton.path}"
        raise InputError(
            f"{origin} is not motion of CMU's skeleton, the only one that can be imported: "
            f"{', '.join(other)} are missing, unknown or move otherwise. Retarget it first."
        )
    return freedoms


def _check_axes(skeleton: Skeleton) -> None:
    """Angles can be copied only when bones have the axes of the humanoid's bodies."""
    zero_pose = body_kinematics(np.zeros((1, 3)), np.eye(1, 4), np.zeros((1, len(JOINTS))))
    for body, quaternion in zip(layout().body_names, zero_pose["body_quaternions"][0], strict=True):
        axes = skeleton.axes.get(body)
        if axes is None:
            continue  # the face, which skeletons lack; missing bones with joints are found elsewhere
        bone = Rotation.from_euler("xyz", axes).as_quat(scalar_first=True)
        if 2 * quat_distance(bone, quaternion) > AXES_TOLERANCE:
            raise InputError(
                f"{skeleton.path} is not CMU's skeleton, the only one that can be imported: its {body} has "
                "other axes. Retarget its motion first."
            )


def _hold_first(values: np.ndarray) -> np.ndarray:
    """A bone has exact zeros until it is first solved; it is taken to have been there from the start."""
    first = values.any(axis=1).argmax()
    return np.concatenate([np.repeat(values[first : first + 1], first, axis=0), values[first:]])


def _scale(motion: Motion, skeleton: Skeleton | None, leg_length: float | None) -> float:
    """Metres of the humanoid in the file's unit of length."""
    if leg_length is not None and not 0.2 <= leg_length <= 2:
        raise InputError(
            f"A leg_length of {leg_length} for {motion.path} is not that of a person. It is measured from "
            "hip over knee to ankle, in metres, such as 0.83."
        )
    subject = leg_length or skeleton.leg_length  # type: ignore[union-attr]  # one of the two is there
    model = load_model()
    humanoid = sum(np.linalg.norm(model.body(f"walker/{bone}").pos) for bone in ("ltibia", "lfoot"))
    return float(humanoid / subject) * (CMU_UNIT if skeleton is None else skeleton.unit)


def _smooth(position: np.ndarray, quaternion: np.ndarray, joints: np.ndarray, fps: float) -> Arrays:
    """Take out turns of angles, glitches, and what is faster than people."""
    motion = np.concatenate([position, _continuous(quaternion), _unwrap(joints)], axis=1)
    motion = median_filter(motion, size=(2 * int(GLITCH * fps / 2) + 1, 1), mode="nearest")
    low_pass = butter(2, CUTOFF, fs=fps, output="sos")
    motion = sosfiltfilt(low_pass, motion, axis=0, padlen=min(len(motion) - 1, round(fps / 4)))
    position, quaternion, joints = np.split(motion, [3, 7], axis=1)
    return position, quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True), joints


def _continuous(quaternion: np.ndarray) -> np.ndarray:
    """(T, 4) with the signs that make neighbours alike."""
    flips = np.where((quaternion[1:] * quaternion[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    return quaternion * np.cumprod(np.append(1.0, flips))[:, None]


def _unwrap(joints: np.ndarray) -> np.ndarray:
    """Angles without jumps by a turn, each in the turn in which the joint's range lies.

    The capture turns thumbs over, by half a turn, for some frames.
    """
    thumbs = ["thumb" in name for name in JOINTS]
    joints = np.unwrap(joints, axis=0)
    joints[:, thumbs] = np.unwrap(joints[:, thumbs], period=np.pi, axis=0)
    middle = layout().joint_range.mean(axis=1)
    return joints - 2 * np.pi * np.round((np.median(joints, axis=0) - middle) / (2 * np.pi))


def _resample(
    position: np.ndarray, quaternion: np.ndarray, joints: np.ndarray, fps: float, n_frames: int
) -> Arrays:
    """The first `n_frames` at 0.03 s."""
    given, wanted = np.arange(len(position)) / fps, np.arange(n_frames) * DT
    spline = CubicSpline(given, np.concatenate([position, joints], axis=1))(wanted)
    rotations = Slerp(given, Rotation.from_quat(quaternion, scalar_first=True))(wanted)
    return spline[:, :3], _continuous(rotations.as_quat(scalar_first=True)), spline[:, 3:]


def _floor(position: np.ndarray, quaternion: np.ndarray, joints: np.ndarray) -> float:
    """Height in metres on which the soles stand: the median of the lower one's while its foot is at rest."""
    model, parts = load_model(), layout()
    bodies = body_kinematics(position, quaternion, joints)
    lowest, ankles = [], []
    for side in "lr":
        members = [parts.body_names.index(f"{side}{name}") for name in ("foot", "toes")]
        heights = [
            _lowest_point(model, geom, bodies, member)
            for member in members
            for geom in parts.feet
            if model.geom_bodyid[geom] == parts.bodies.start + member
        ]
        lowest.append(np.min(heights, axis=0))
        ankles.append(bodies["body_positions"][:, members[0]])
    lower = np.argmin(lowest, axis=0)
    frames = np.arange(len(position))
    speed = np.linalg.norm(np.gradient(np.array(ankles), DT, axis=1), axis=2)[lower, frames]
    height = np.min(lowest, axis=0)
    standing = speed < STANCE_SPEED
    return float(np.median(height[standing] if standing.any() else height))


def _lowest_point(model, geom: int, bodies: dict[str, np.ndarray], body: int) -> np.ndarray:
    """(T,) height of the lowest point of a sphere or capsule that belongs to a tracked body."""
    rotation = quat_to_matrix(bodies["body_quaternions"][:, body])
    center = bodies["body_positions"][:, body, 2] + rotation[:, 2] @ model.geom_pos[geom]
    axis = rotation[:, 2] @ quat_to_matrix(model.geom_quat[geom])[:, 2]
    radius, half_length = model.geom_size[geom, :2]  # of a sphere, half_length is 0
    return center - np.abs(axis) * half_length - radius
