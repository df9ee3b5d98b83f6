"""Pictures of the humanoid without a display: on the GPU through EGL, or on the CPU through EGL or OSMesa.

MUJOCO_GL chooses the backend where it is set. Otherwise each one is tried in a process of its own, since a
driver that is there but broken can take the process down, and since PyOpenGL settles on the first it loads.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.humanoid.markers import Marker

BACKENDS = ("egl", "osmesa")
NO_BACKEND = "none"
REMEMBERED = "MOCAPACT_RENDERER"
"""Environment variable that tells child processes what was found, so that they need not try again."""

BRONZE = (0.72, 0.47, 0.28, 1.0)
GREY = (0.62, 0.64, 0.66, 1.0)
BLUE = (0.25, 0.47, 0.72, 1.0)
_SKY = (0.97, 0.98, 1.0)
_SUN = (-0.35, 0.45, -1.0)
_FLOOR = ((0.80, 0.83, 0.86), (0.74, 0.77, 0.81), (0.93, 0.94, 0.95))
FIELD_OF_VIEW = 30.0
"""Vertical, in degrees: a long lens, so that figures at the edge of the picture are not stretched."""

_SECONDS_TO_TRY = 60
_TINY_WORLD = '<mujoco><worldbody><light pos="0 0 3"/><geom size="1"/></worldbody></mujoco>'


class RenderingUnavailable(InputError):
    """No OpenGL backend works on this machine."""


@dataclass(frozen=True)
class Camera:
    """A camera that looks at a point (metres) from a distance (metres).

    azimuth and elevation are MuJoCo's, in degrees: azimuth 90 looks along +y with +x to the right,
    elevation -90 looks straight down.
    """

    lookat: tuple[float, float, float]
    distance: float = 4.0
    azimuth: float = 90.0
    elevation: float = -10.0


def available() -> bool:
    """Whether pictures can be made here. The first call in a process tree takes about a second."""
    return backend() != NO_BACKEND


def backend() -> str:
    """The backend that works on this machine: egl, osmesa, what MUJOCO_GL says, or none."""
    if REMEMBERED not in os.environ:
        os.environ[REMEMBERED] = next(filter(_works, _candidates()), NO_BACKEND)
    return os.environ[REMEMBERED]


def _candidates() -> Sequence[str]:
    chosen = os.environ.get("MUJOCO_GL", "").lower().strip()
    return (chosen,) if chosen in (*BACKENDS, "glfw") else () if chosen else BACKENDS


def _works(name: str) -> bool:
    environment = os.environ | {"MUJOCO_GL": name, "PYOPENGL_PLATFORM": name}
    if name == "glfw":
        del environment["PYOPENGL_PLATFORM"]
    command = [sys.executable, "-c", f"from {__name__} import try_backend; try_backend({name!r})"]
    try:
        tried = subprocess.run(command, env=environment, capture_output=True, timeout=_SECONDS_TO_TRY)
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


def try_backend(name: str) -> None:
    """Get ready to render with a backend; raises whatever goes wrong."""
    import mujoco

    context = _gl_context(name, 16, 16)
    model = mujoco.MjModel.from_xml_string(_TINY_WORLD)
    mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100).free()
    context.free()


def _gl_context(name: str, width: int, height: int) -> Any:
    """mujoco.Renderer would take the backend MUJOCO_GL named when mujoco was imported; this takes any."""
    if name in BACKENDS:
        os.environ.setdefault("PYOPENGL_PLATFORM", name)
    context = import_module(f"mujoco.{name}").GLContext(width, height)
    context.make_current()
    return context


def offscreen_context(width: int, height: int) -> Any:
    """OpenGL for pictures of this size in pixels, made current; to be freed.

    Raises:
        RenderingUnavailable: there is no working OpenGL backend.
    """
    name = backend()
    if name == NO_BACKEND:
        raise RenderingUnavailable(remedy())
    return _gl_context(name, width, height)


def drawing_context(model: Any) -> Any:
    """MuJoCo's resources in the current OpenGL, drawing off screen; to be freed before that."""
    import mujoco

    context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
    return context


def draw(scene: Any, context: Any, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 of a scene, the top row first."""
    import mujoco

    viewport = mujoco.MjrRect(0, 0, width, height)
    picture = np.empty((height, width, 3), np.uint8)
    mujoco.mjr_render(viewport, scene, context)
    mujoco.mjr_readPixels(picture, None, viewport, context)
    return picture[::-1].copy()


def remedy() -> str:
    """What to tell a user on whose machine no backend works."""
    wish = os.environ.get("MUJOCO_GL")
    tried = f"MUJOCO_GL={wish} does not work" if wish else "neither EGL nor OSMesa works"
    return (
        f"No picture can be rendered: {tried} on this machine. Install the driver of the GPU with EGL, or "
        "software rendering (on Debian: apt-get install libegl1 libgl1-mesa-dri, or libosmesa6), unset "
        "MUJOCO_GL and run again; or set figures.videos to false. All but pictures works without."
    )


class Renderer:
    """Draws humanoids on the floor. A context manager: OpenGL wants to be closed before Python ends."""

    def __init__(self, width: int, height: int):
        """width, height: of the pictures, in pixels.

        Raises:
            RenderingUnavailable: there is no working OpenGL backend.
        """
        import mujoco

        self.width, self.height = width, height
        self._gl = offscreen_context(width, height)
        self._model = _model_to_draw(width, height)
        self._data = mujoco.MjData(self._model)
        self._scene = mujoco.MjvScene(self._model, maxgeom=1000)
        self._option = mujoco.MjvOption()
        self._option.flags[mujoco.mjtVisFlag.mjVIS_SKIN] = False  # a scene has but one skin a model
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = True
        self._context = drawing_context(self._model)

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.free()
        self._gl.free()

    def render(
        self,
        poses: Sequence[np.ndarray],
        colours: Sequence[tuple],
        camera: Camera,
        markers: Sequence[Marker] = (),
    ) -> np.ndarray:
        """One picture of several humanoids, and of markers.

        Args:
            poses: (63,) each: root position (m), quaternion and joint angles (rad) in MuJoCo's order.
            colours: red, green, blue and opacity in [0, 1], for each humanoid.

        Returns:
            (height, width, 3) uint8, the top row first.
        """
        self._gl.make_current()
        self._scene.ngeom = 0
        for pose, colour in zip(poses, colours, strict=True):
            self._add_humanoid(pose, colour, camera, first=self._scene.ngeom == 0)
        for marker in markers:
            marker.put(self._scene.geoms[self._scene.ngeom])
            self._scene.ngeom += 1
        return draw(self._scene, self._context, self.width, self.height)

    def _add_humanoid(self, pose: np.ndarray, colour: tuple, camera: Camera, first: bool) -> None:
        import mujoco

        self._data.qpos[:] = pose
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)  # lights
        mujoco.mj_camlight(self._model, self._data)
        dynamic, everything = mujoco.mjtCatBit.mjCAT_DYNAMIC, mujoco.mjtCatBit.mjCAT_ALL
        before, perturbation = self._scene.ngeom, mujoco.MjvPerturb()
        if first:  # also the floor, the lights and the camera
            view = _mujoco_camera(camera)
            # The floor without end is centred on the scene's camera, which updateScene sets too late.
            mujoco.mjv_updateCamera(self._model, self._data, view, self._scene)
            mujoco.mjv_updateScene(
                self._model, self._data, self._option, perturbation, view, everything, self._scene
            )
        else:
            mujoco.mjv_addGeoms(
                self._model, self._data, self._option, perturbation, int(dynamic), self._scene
            )
        for geom in self._scene.geoms[before : self._scene.ngeom]:
            if geom.category == dynamic:
                geom.rgba[:] = colour
                geom.matid = -1


def _model_to_draw(width: int, height: int) -> Any:
    """The humanoid under a bright sky, on a pale floor without end; all else as in the simulation."""
    import mujoco

    from mocapact_core.humanoid.model import build_walker

    arena, _ = build_walker()
    from dm_control import mjcf  # not before build_walker, which keeps dm_control's import quiet

    root = arena.mjcf_model
    root.asset.add("texture", name="sky", type="skybox", builtin="flat", rgb1=_SKY, width=16, height=16)
    texture = root.find("texture", "groundplane")
    texture.rgb1, texture.rgb2, texture.markrgb = _FLOOR
    root.find("material", "groundplane").reflectance = 0
    headlight = root.visual.headlight
    headlight.ambient, headlight.diffuse, headlight.specular = [0.5] * 3, [0.2] * 3, [0] * 3
    sun = root.find("light", "walker/tracking_light")
    sun.pos = [-4 * x for x in _SUN]  # far up the ray through the humanoid: shadows are drawn around it
    sun.directional, sun.dir, sun.diffuse, sun.specular = "true", _SUN, [0.55] * 3, [0.1] * 3
    model = mjcf.Physics.from_mjcf_model(root).model._model
    model.vis.global_.offwidth, model.vis.global_.offheight = width, height
    model.vis.global_.fovy = FIELD_OF_VIEW
    model.vis.quality.offsamples, model.vis.quality.shadowsize = 4, 4096
    model.vis.map.shadowclip = 12  # beyond the edge of the shadow map dots appear: keep it out of sight
    model.vis.rgba.haze[:] = (*_SKY, 1.0)
    model.geom_size[model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE, :2] = 0
    return model


def _mujoco_camera(camera: Camera) -> Any:
    import mujoco

    view = mujoco.MjvCamera()
    view.type = mujoco.mjtCamera.mjCAMERA_FREE
    view.lookat[:] = camera.lookat
    view.distance, view.azimuth, view.elevation = camera.distance, camera.azimuth, camera.elevation
    return view
