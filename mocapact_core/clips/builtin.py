"""The project's own motions: five short clips in closed form, so that nothing needs a download.

Each is planned from the floor up. The centre of pressure moves smoothly under the standing feet; the centre
of mass takes the path of the inverted pendulum that this pressure carries, so that the floor can give every
force the motion needs; and the legs follow by inverse kinematics. World axes: x forward, y left, z up.
"""

from typing import TYPE_CHECKING

import numpy as np

from mocapact_core.errors import InputError, nearest

if TYPE_CHECKING:
    from mocapact_core.clips.posing import Plan
    from mocapact_core.clips.trajectory import Trajectory

BUILTIN: dict[str, int] = {"stand": 80, "sway": 90, "wave": 90, "squat": 90, "march": 90}
"""The motions and their lengths in control steps."""

DT = 0.03  # seconds, the control step
CORRECTIONS = 2  # of the centre of mass, so that the pressure is within a centimetre of its plan
ROOT_HEIGHT = 1.1  # metres; straight legs would give 1.12
SOLE_OFFSET = np.array([0.07, 0.0])  # metres from the ankle forward to the middle of the sole
ANKLES = np.array([[0.0, 0.13], [0.0, -0.13]])  # metres: where the left and the right foot stand
HEADING = np.array([0.15, -0.15])  # radians the feet are turned out

# Arm postures of the left side in radians. On the right, joints about y and z turn the other way.
HANGING = {"humerusrz": 1.02, "humerusry": 0.5, "humerusrx": -0.59, "radiusrx": 0.25}
BACK = {"humerusrz": 0.84, "humerusry": 0.34, "humerusrx": -0.93, "radiusrx": 0.25}
FORWARD = {"humerusrz": 0.9, "humerusry": -0.46, "humerusrx": 0.8, "radiusrx": 0.5}
RAISED = {"humerusrz": 0.41, "humerusry": 0.71, "humerusrx": 0.27, "radiusrx": 1.6}
RELAXED_HAND = {"wristry": 1.57, "fingersrx": 0.5, "thumbrx": 0.5}
RELAXED_SPINE = {"lowerbackrx": 0.05, "upperbackrx": 0.05, "thoraxrx": 0.05, "lowerneckrx": -0.05}

# Seconds of a march.
REST = 0.2
SHIFT = 0.24  # from one foot to the other
LIFT = 0.3  # of a foot in the air

Joints = dict[str, np.ndarray]


def builtin_trajectory(name: str) -> "Trajectory":
    """One of the motions named in `BUILTIN`. Equal on every call, to the bit.

    Raises:
        InputError: there is no motion of that name.
    """
    from mocapact_core.clips.balance import carried_center, center_of_pressure
    from mocapact_core.clips.kinematics import trajectory_from_motion
    from mocapact_core.clips.posing import pose

    if name not in BUILTIN:
        raise InputError(
            f"There is no built-in motion {name}; the nearest are {nearest(name, list(BUILTIN))}, "
            f"and all are {', '.join(BUILTIN)}."
        )
    plans = {"stand": stand, "sway": sway, "wave": wave, "squat": squat, "march": march}
    time = DT * np.arange(BUILTIN[name] + 1)
    plan = plans[name](time)
    center = carried_center(plan.pressure)
    motion = trajectory_from_motion(name, *pose(plan, center))
    for _ in range(CORRECTIONS):  # limbs swing, and so the body is not quite a pendulum
        center += carried_center(plan.pressure - center_of_pressure(motion))
        motion = trajectory_from_motion(name, *pose(plan, center))
    return motion


def stand(time: np.ndarray) -> "Plan":
    """Standing quietly and breathing."""
    breath = 0.5 - 0.5 * np.cos(2 * np.pi * time / time[-1])
    return _plan(
        time, {"upperbackrx": -0.03 * breath, "lclaviclery": -0.02 * breath, "rclaviclery": 0.02 * breath}
    )


def sway(time: np.ndarray) -> "Plan":
    """Shifting the weight to the left foot, to the right foot, and back."""
    pressure = _between_feet(time)
    pressure[:, 1] += 0.07 * np.sin(2 * np.pi * time / time[-1]) * ramp(time, 0.0, 0.6)
    return _plan(time, pressure=pressure)


def wave(time: np.ndarray) -> "Plan":
    """Raising the right arm and waving."""
    up = ramp(time, 0.1, 0.8) - ramp(time, time[-1] - 0.8, time[-1] - 0.1)
    joints = _arm("r", HANGING, RAISED, up)
    joints["rradiusrx"] = joints["rradiusrx"] - 0.5 * up**2 * np.sin(2 * np.pi * 1.5 * (time - time[-1] / 2))
    joints["headrz"] = -0.15 * up
    return _plan(time, joints)


def squat(time: np.ndarray) -> "Plan":
    """Bending the knees, arms forward, and rising again."""
    down = bump(time, 0.2, time[-1] - 0.2)
    joints = {**_arm("l", HANGING, FORWARD, down), **_arm("r", HANGING, FORWARD, down)}
    joints["lowerneckrx"] = joints["upperneckrx"] = -0.15 * down
    return _plan(time, joints, sink=0.28 * down, lean=0.55 * down)


def march(time: np.ndarray) -> "Plan":
    """Marching in place: each foot leaves the floor twice while the pressure is under the other one."""
    pressure, lift, start = _between_feet(time), np.zeros((len(time), 2)), REST
    at = pressure[0]
    for standing in (0, 1, 0, 1):
        sole = ANKLES[standing] + SOLE_OFFSET
        pressure += ramp(time, start, start + SHIFT)[:, None] * (sole - at)
        lift[:, 1 - standing] += bump(time, start + SHIFT, start + SHIFT + LIFT)
        at, start = sole, start + SHIFT + LIFT
    pressure += ramp(time, start, start + SHIFT)[:, None] * (_between_feet(time)[0] - at)

    joints: Joints = {}
    for i, side in enumerate("lr"):  # an arm swings back with its foot and bends forward with the other
        joints |= _arm(side, HANGING, BACK, lift[:, i])
        joints[f"{side}radiusrx"] = joints[f"{side}radiusrx"] + 0.5 * lift[:, 1 - i]
    return _plan(time, joints, pressure=pressure, sink=0.04, lift=0.08 * lift)


def _plan(time, joints: Joints | None = None, pressure=None, sink=0.0, lean=0.0, lift=None) -> "Plan":
    """The standing humanoid with what a motion adds to it.

    Args:
        time: (T,) seconds.
        joints: (T,) angles by name, instead of the relaxed ones.
        pressure: (T, 2) metres; by default in the middle between the feet.
        sink: (T,) metres the root is lowered.
        lean: (T,) radians the root is turned forward.
        lift: (T, 2) metres the left and right foot are raised.
    """
    from mocapact_core.clips.posing import Plan

    n_frames = len(time)
    lift = np.zeros((n_frames, 2)) if lift is None else lift
    relaxed: Joints = {name: np.full(n_frames, angle) for name, angle in RELAXED_SPINE.items()}
    for side in "lr":
        relaxed |= _arm(side, HANGING) | _arm(side, RELAXED_HAND)
    turn = np.zeros((n_frames, 3))
    turn[:, 1] = lean
    ankles = np.concatenate([np.tile(ANKLES, (n_frames, 1, 1)), lift[:, :, None]], axis=2)
    return Plan(
        joints=relaxed | (joints or {}),
        root_height=np.broadcast_to(ROOT_HEIGHT - sink, n_frames),
        root_turn=turn,
        pressure=_between_feet(time) if pressure is None else pressure,
        ankles=ankles,
        heading=HEADING,
        pitch=2.0 * lift,  # raised toes hang a little
    )


def _arm(side: str, posture: dict[str, float], other: dict[str, float] | None = None, share=0.0) -> Joints:
    """The joints of one side between two postures, `share` (T,) of the way."""
    joints = {}
    for name, angle in posture.items():
        sign = 1.0 if side == "l" or name.endswith("rx") else -1.0
        joints[side + name] = sign * (angle + share * ((other or posture)[name] - angle))
    return joints


def _between_feet(time: np.ndarray) -> np.ndarray:
    """(T, 2) the middle between the soles, metres."""
    return np.tile(ANKLES.mean(axis=0) + SOLE_OFFSET, (len(time), 1))


def ramp(time: np.ndarray, start: float, end: float) -> np.ndarray:
    """From 0 at `start` to 1 at `end` with least jerk, so that accelerations are continuous."""
    x = np.clip((time - start) / (end - start), 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


def bump(time: np.ndarray, start: float, end: float) -> np.ndarray:
    """From 0 at `start` to 1 in the middle and back to 0 at `end`."""
    middle = (start + end) / 2
    return ramp(time, start, middle) - ramp(time, middle, end)
