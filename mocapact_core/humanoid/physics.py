"""Many worlds of the humanoid, stepped together in MuJoCo's own thread pool."""

import mujoco
import numpy as np
from mujoco.batch import Batch

from mocapact_core.humanoid.model import SUBSTEPS, layout, load_model

STATE = ("qpos", "qvel", "act", "ctrl", "time")
DERIVED = ("xpos", "xquat", "xmat", "xipos", "cvel", "subtree_com", "sensordata", "geom_xpos", "geom_xmat")
_FORWARD = int(mujoco.mjtStage.mjSTAGE_ACC.value)
_NO_ACTUATION = int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)


class Physics:
    """N worlds of one humanoid each.

    The arrays named in `STATE` and `DERIVED` are attributes of shape (n_worlds, ...), always those of the
    present state: as in dm_control, every step ends with a full forward pass, so that touch and torque
    sensors do not lag one substep behind. Worlds do not influence each other, and results do not depend
    on the number of worlds or threads.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    act: np.ndarray
    ctrl: np.ndarray
    time: np.ndarray
    xpos: np.ndarray
    xquat: np.ndarray
    xmat: np.ndarray
    xipos: np.ndarray
    cvel: np.ndarray
    subtree_com: np.ndarray
    sensordata: np.ndarray
    geom_xpos: np.ndarray
    geom_xmat: np.ndarray

    def __init__(self, n_worlds: int, n_threads: int = 1):
        self.n_worlds = n_worlds
        self.model = load_model()
        self._batch = Batch(self.model, n_worlds, n_threads, persistent=True)
        self._disabled = self._batch.expand("opt.disableflags")
        for name in (*STATE, *DERIVED, "qacc_warmstart"):
            setattr(self, name, self._batch.bind(name))
        self.previous_qpos = self.qpos.copy()
        self.diverged = np.zeros(n_worlds, bool)
        """(n_worlds,) worlds whose last step came to numbers that are not finite, or huge; MuJoCo then puts a
        world into its default state without saying so."""
        self._batch.forward()

    def step(self, actions: np.ndarray, worlds: np.ndarray | slice = slice(None)) -> None:
        """Advance some worlds by one control step of 0.03 s.

        Args:
            actions: (n, 56) in [-1, 1], in actuator order.
            worlds: the n worlds; the others stand still.
        """
        self.previous_qpos[worlds] = self.qpos[worlds]
        self.ctrl[worlds] = actions
        everything = isinstance(worlds, slice) and worlds == slice(None)
        ids = None if everything else np.arange(self.n_worlds)[worlds]
        due = self.time[worlds] + (SUBSTEPS - 0.5) * self.model.opt.timestep
        self._batch.step(ids, SUBSTEPS, _FORWARD)
        self.diverged[worlds] = self.time[worlds] < due  # the default state is that of time 0

    def place(self, worlds: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Put some worlds into a state, at time 0 with actuators at rest.

        As after a reset of dm_control, the first sensors are those of a body without actuation.

        Args:
            worlds: (n,) indices.
            qpos: (n, 63) root position (m), root quaternion and joint angles (rad), in MuJoCo's order.
            qvel: (n, 62) their velocities.
        """
        self._batch.reset(worlds, stage=int(mujoco.mjtStage.mjSTAGE_NONE.value))
        self.qpos[worlds], self.qvel[worlds] = qpos, qvel
        self.previous_qpos[worlds] = qpos
        before = self._disabled[worlds]
        self._disabled[worlds] = before | _NO_ACTUATION
        self._batch.forward(worlds)
        self._disabled[worlds] = before

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of all that the worlds go on from."""
        return {name: getattr(self, name).copy() for name in (*STATE, "qacc_warmstart", "previous_qpos")}

    def restore(self, snapshot: dict[str, np.ndarray], worlds: np.ndarray) -> None:
        """Let every world go on from where world `worlds[i]` (n_worlds,) of a snapshot was."""
        for name, values in snapshot.items():
            getattr(self, name)[:] = values[worlds]
        self._batch.forward()

    def state(self, worlds: np.ndarray | slice = slice(None)) -> "State":
        """The present state of some worlds, to compute observables from."""
        return State(self, worlds)

    def data(self, world: int) -> mujoco.MjData:
        """A copy of one world as MjData, for rendering or any mj_ function."""
        return self._batch.get_data(world)


class State:
    """The arrays of some worlds, (n, ...): `state.xpos` is `physics.xpos[worlds]`. Read, do not write."""

    def __init__(self, physics: Physics, worlds: np.ndarray | slice):
        self.physics = physics
        self.worlds = worlds

    def __getattr__(self, name: str) -> np.ndarray:
        return getattr(self.physics, name)[self.worlds]

    @property
    def n(self) -> int:
        return len(self.qpos)

    @property
    def joints(self) -> np.ndarray:
        """(n, 56) joint angles in reference order, radians."""
        return self.qpos[:, layout().joint_qpos]

    @property
    def joint_velocities(self) -> np.ndarray:
        """(n, 56) in reference order, radians a second."""
        return self.qvel[:, layout().joint_qvel]

    @property
    def previous_joints(self) -> np.ndarray:
        """(n, 56) joint angles one control step ago, in reference order."""
        return self.previous_qpos[:, layout().joint_qpos]

    @property
    def body_positions(self) -> np.ndarray:
        """(n, 31, 3) world positions of the tracked bodies, metres."""
        return self.xpos[:, layout().bodies]

    @property
    def body_quaternions(self) -> np.ndarray:
        """(n, 31, 4)"""
        return self.xquat[:, layout().bodies]

    @property
    def root_position(self) -> np.ndarray:
        """(n, 3) world position of the root body, metres."""
        return self.xpos[:, layout().root]

    @property
    def root_rotation(self) -> np.ndarray:
        """(n, 3, 3); `vectors @ root_rotation` turns world vectors into the egocentric frame."""
        return self.xmat[:, layout().root].reshape(-1, 3, 3)

    @property
    def center_of_mass(self) -> np.ndarray:
        """(n, 3) of the whole humanoid, metres."""
        return self.subtree_com[:, layout().frame]

    @property
    def appendages(self) -> np.ndarray:
        """(n, 5, 3) lower arms, feet and head in the egocentric frame, metres."""
        relative = self.xpos[:, layout().appendages] - self.root_position[:, None]
        return relative @ self.root_rotation
