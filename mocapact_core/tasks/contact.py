"""Does the humanoid touch the floor with anything but its feet? This ends an episode."""

from functools import cache

import mujoco
import numpy as np

from mocapact_core.humanoid.model import layout, load_model
from mocapact_core.humanoid.physics import State


def nonfoot_contact(state: State) -> np.ndarray:
    """(n,) whether any colliding geom other than those of the feet reaches the floor.

    True exactly where MuJoCo lists such a contact, computed from the shapes alone: the floor is the
    plane z = 0 without an end.
    """
    return np.any(lowest_points(state, layout().others) <= 0, axis=1)


def lowest_points(state: State, geoms: np.ndarray) -> np.ndarray:
    """(n, len(geoms)) height of the lowest point of each geom, metres.

    Every geom of the humanoid is an ellipsoid moved along a line in its z axis: spheres and capsules have
    three equal half axes, spheres and ellipsoids no length.
    """
    half_axes, half_length = _shapes()
    up = state.geom_xmat[:, geoms, 6:]  # the vertical in the frame of the geom
    reach = np.linalg.norm(up * half_axes[geoms], axis=-1) + half_length[geoms] * np.abs(up[..., 2])
    return state.geom_xpos[:, geoms, 2] - reach


@cache
def _shapes() -> tuple[np.ndarray, np.ndarray]:
    """(n_geoms, 3) half axes and (n_geoms,) half lengths of all geoms, metres; NaN for the floor."""
    model = load_model()
    kinds = mujoco.mjtGeom
    capsule = model.geom_type == kinds.mjGEOM_CAPSULE
    round_ = capsule | (model.geom_type == kinds.mjGEOM_SPHERE)
    ellipsoid = model.geom_type == kinds.mjGEOM_ELLIPSOID
    half_axes = np.full((model.ngeom, 3), np.nan)
    half_axes[round_] = model.geom_size[round_, :1]
    half_axes[ellipsoid] = model.geom_size[ellipsoid]
    return half_axes, np.where(capsule, model.geom_size[:, 1], 0.0)
