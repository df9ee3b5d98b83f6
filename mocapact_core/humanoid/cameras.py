"""What the humanoid sees: the pictures of its own cameras, as dm_control's camera observables."""

from collections.abc import Sequence

import mujoco
import numpy as np

from mocapact_core.humanoid.model import load_model
from mocapact_core.humanoid.render import draw, drawing_context, offscreen_context

SIZE = 64
"""Pixels of a picture, in both directions."""
_INVISIBLE, _VISIBLE = 1, 2  # groups of the humanoid's geoms
CAMERAS = {
    "body_camera": ("walker/bodycam", _VISIBLE),
    "egocentric_camera": ("walker/egocentric", _INVISIBLE),
}
"""Each camera in the model, and the group of geoms that it leaves out."""


class Cameras:
    """Some of `CAMERAS`. A context manager: OpenGL wants to be closed before Python ends.

    Raises:
        RenderingUnavailable: there is no working OpenGL backend.
    """

    def __init__(self, names: Sequence[str]):
        self._gl = offscreen_context(SIZE, SIZE)
        self._model = load_model()
        self._context = drawing_context(self._model)
        self._scene = mujoco.MjvScene(self._model, maxgeom=1000)
        self._views = {name: _view(self._model, *CAMERAS[name]) for name in names}

    def __enter__(self) -> "Cameras":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.free()
        self._gl.free()

    def pictures(self, data: mujoco.MjData) -> dict[str, np.ndarray]:
        """(64, 64, 3) uint8 of each camera, the top row first."""
        self._gl.make_current()
        return {name: self._picture(data, *view) for name, view in self._views.items()}

    def _picture(self, data: mujoco.MjData, camera: mujoco.MjvCamera, option: mujoco.MjvOption) -> np.ndarray:
        everything = int(mujoco.mjtCatBit.mjCAT_ALL)
        mujoco.mjv_updateScene(self._model, data, option, None, camera, everything, self._scene)
        return draw(self._scene, self._context, SIZE, SIZE)


def _view(model: mujoco.MjModel, camera: str, hidden_group: int) -> tuple[mujoco.MjvCamera, mujoco.MjvOption]:
    view, option = mujoco.MjvCamera(), mujoco.MjvOption()
    view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(camera).id
    option.geomgroup[hidden_group] = 0
    return view, option
