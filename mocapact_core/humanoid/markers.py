"""What pictures show besides humanoids: discs on the floor, and arrows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

GREEN = (0.16, 0.62, 0.42, 0.85)
_ABOVE_FLOOR = 0.004  # metres, so that the floor does not shine through
_WIDTH = 0.05  # metres, of an arrow's shaft


@dataclass(frozen=True)
class Disc:
    """A disc on the floor."""

    centre: tuple[float, float]
    """Metres."""
    radius: float
    colour: tuple = GREEN

    def put(self, geom: Any) -> None:
        """Make a geom of MuJoCo's scene this disc."""
        import mujoco

        size, place = np.array([self.radius, _ABOVE_FLOOR, 0]), np.array([*self.centre, 0])
        mujoco.mjv_initGeom(
            geom, mujoco.mjtGeom.mjGEOM_CYLINDER, size, place, np.eye(3).ravel(), np.array(self.colour)
        )


@dataclass(frozen=True)
class Arrow:
    """An arrow."""

    start: tuple[float, float, float]
    """Metres."""
    end: tuple[float, float, float]
    colour: tuple = GREEN

    def put(self, geom: Any) -> None:
        """Make a geom of MuJoCo's scene this arrow."""
        import mujoco

        kind, nothing = mujoco.mjtGeom.mjGEOM_ARROW, np.zeros(3)
        mujoco.mjv_initGeom(geom, kind, nothing, nothing, np.eye(3).ravel(), np.array(self.colour))
        mujoco.mjv_connector(geom, kind, _WIDTH, np.array(self.start), np.array(self.end))
        geom.size[2] *= 2  # MuJoCo draws arrows half as long as it connects


Marker = Disc | Arrow
