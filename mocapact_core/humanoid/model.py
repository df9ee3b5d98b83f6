"""The CMU humanoid on a floor: the MuJoCo model, compiled once from dm_control, and the names of its parts.

dm_control's `CMUHumanoidPositionControlledV2020` is the humanoid of MoCapAct: 56 joints, 56 position
actuators with a 30 ms filter, actions in [-1, 1].
"""

import warnings
from dataclasses import dataclass
from functools import cache

import mujoco
import numpy as np

PHYSICS_STEP = 0.005  # seconds
CONTROL_STEP = 0.03  # seconds, the rate of the reference motion
SUBSTEPS = 6  # physics steps in a control step
FLOOR_SIZE = (8.0, 8.0)  # half lengths in metres; only for the eye, the floor has no end
N_JOINTS = 56
N_BODIES = 31  # tracked bodies

JOINTS = tuple(
    """
    lfemurrz lfemurry lfemurrx ltibiarx lfootrz lfootrx ltoesrx rfemurrz rfemurry rfemurrx rtibiarx rfootrz
    rfootrx rtoesrx lowerbackrz lowerbackry lowerbackrx upperbackrz upperbackry upperbackrx thoraxrz thoraxry
    thoraxrx lowerneckrz lowerneckry lowerneckrx upperneckrz upperneckry upperneckrx headrz headry headrx
    lclaviclerz lclaviclery lhumerusrz lhumerusry lhumerusrx lradiusrx lwristry lhandrz lhandrx lfingersrx
    lthumbrz lthumbrx rclaviclerz rclaviclery rhumerusrz rhumerusry rhumerusrx rradiusrx rwristry rhandrz
    rhandrx rfingersrx rthumbrz rthumbrx
    """.split()
)
"""The 56 joints in the order of reference motion (dm_control's mocap order). Actions are in actuator order."""

END_EFFECTORS = ("rradius", "lradius", "rfoot", "lfoot")
APPENDAGES = (*END_EFFECTORS, "head")


@dataclass(frozen=True)
class Layout:
    """Where the humanoid's parts lie in MuJoCo's arrays. Joint arrays are in reference order (`JOINTS`)."""

    joint_qpos: np.ndarray
    """(56,) addresses in qpos."""
    joint_qvel: np.ndarray
    """(56,) addresses in qvel."""
    joint_range: np.ndarray
    """(56, 2) limits in radians."""
    reference_to_actuator: np.ndarray
    """(56,) `x[reference_to_actuator]` puts joints from reference order into actuator (and observable) order."""
    frame: int
    """The body that holds the free joint; its subtree is the whole humanoid."""
    root: int
    """The root body (the pelvis), the origin of egocentric observables."""
    bodies: slice
    """The 31 tracked bodies: all but frame and root."""
    body_names: tuple[str, ...]
    appendages: np.ndarray
    """(5,) bodies: right and left lower arm, right and left foot, head."""
    sensors: dict[str, np.ndarray]
    """Addresses in sensordata: velocimeter (3), gyro (3), accelerometer (3), touch (10), torque (6), end_effectors (12)."""
    feet: np.ndarray
    """Geoms that may touch the ground."""
    others: np.ndarray
    """Colliding geoms of the humanoid that are not part of a foot."""


def build_walker(ghost: bool = False):
    """A dm_control arena with the humanoid, and with a grey ghost of it when asked.

    Returns:
        (arena, walker) of dm_control; the MJCF model is `arena.mjcf_model`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a display, dm_control's import complains of GLFW
        from dm_control.locomotion.arenas import floors
        from dm_control.locomotion.tasks.reference_pose import utils
        from dm_control.locomotion.walkers import cmu_humanoid

    arena = floors.Floor(FLOOR_SIZE)
    walker = utils.add_walker(cmu_humanoid.CMUHumanoidPositionControlledV2020, arena)
    _ = walker.observables.end_effectors_pos  # adds its frame sensors to the model
    if ghost:
        utils.add_walker(cmu_humanoid.CMUHumanoidPositionControlledV2020, arena, name="ghost", ghost=True)
    arena.mjcf_model.option.timestep = PHYSICS_STEP
    return arena, walker


@cache
def load_model() -> mujoco.MjModel:
    """The model of the simulation: humanoid and floor, no ghost. Shared; copy it before changing it."""
    arena, _ = build_walker()
    from dm_control import mjcf  # after build_walker, which silences the first import of dm_control

    return mjcf.Physics.from_mjcf_model(arena.mjcf_model).model._model


@cache
def layout() -> Layout:
    model = load_model()
    joints = [model.joint(f"walker/{name}") for name in JOINTS]
    actuators = [model.actuator(i).name.removeprefix("walker/") for i in range(model.nu)]
    names = [model.body(i).name.removeprefix("walker/") for i in range(model.nbody)]
    frame, root = names.index(""), names.index("root")
    bodies = slice(root + 1, model.nbody)
    assert len(names[bodies]) == N_BODIES, "the tracked bodies are expected to follow the root"

    feet_bodies = [_subtree(model, names.index(foot)) for foot in ("lfoot", "rfoot")]
    feet = np.isin(model.geom_bodyid, np.concatenate(feet_bodies))
    colliding = (model.geom_contype != 0) & (model.geom_bodyid >= frame)
    return Layout(
        joint_qpos=np.array([joint.qposadr[0] for joint in joints]),
        joint_qvel=np.array([joint.dofadr[0] for joint in joints]),
        joint_range=np.array([joint.range for joint in joints]),
        reference_to_actuator=np.array([JOINTS.index(name) for name in actuators]),
        frame=frame,
        root=root,
        bodies=bodies,
        body_names=tuple(names[bodies]),
        appendages=np.array([names.index(name) for name in APPENDAGES]),
        sensors=_sensor_addresses(model),
        feet=np.flatnonzero(feet & colliding),
        others=np.flatnonzero(~feet & colliding),
    )


def _subtree(model: mujoco.MjModel, body: int) -> list[int]:
    members = [body]
    for child in range(body + 1, model.nbody):
        if model.body_parentid[child] in members:
            members.append(child)
    return members


def _sensor_addresses(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    kinds = {
        "velocimeter": mujoco.mjtSensor.mjSENS_VELOCIMETER,
        "gyro": mujoco.mjtSensor.mjSENS_GYRO,
        "accelerometer": mujoco.mjtSensor.mjSENS_ACCELEROMETER,
        "touch": mujoco.mjtSensor.mjSENS_TOUCH,
        "torque": mujoco.mjtSensor.mjSENS_TORQUE,
        "end_effectors": mujoco.mjtSensor.mjSENS_FRAMEPOS,
    }
    return {
        name: np.concatenate(
            [
                np.arange(model.sensor_adr[i], model.sensor_adr[i] + model.sensor_dim[i])
                for i in np.flatnonzero(model.sensor_type == kind)
            ]
        )
        for name, kind in kinds.items()
    }
