"""Pictures: the humanoid is where a pinhole camera sees it; without OpenGL, users are told what to do."""

import subprocess
import sys

import mujoco
import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.humanoid import render
from mocapact_core.humanoid.model import layout, load_model
from mocapact_core.humanoid.render import BRONZE, FIELD_OF_VIEW, GREY, Camera, Renderer, RenderingUnavailable

WIDTH, HEIGHT = 240, 200
CAMERA = Camera((0.3, -0.2, 0.9), distance=5.5, azimuth=35.0, elevation=-15.0)
THIN = 0.02  # metres: the middle of a finger may lie beside the pixel that it fills


@pytest.fixture(scope="module")
def renderer():
    if not render.available():
        pytest.skip("no OpenGL backend works on this machine: no pictures to test")
    with Renderer(WIDTH, HEIGHT) as opened:
        yield opened


@pytest.fixture(scope="module")
def pose() -> np.ndarray:
    """A wave of the arm, standing at (0.3, -0.2)."""
    pose = builtin_trajectory("wave").qpos()[45].copy()
    pose[:2] = 0.3, -0.2
    return pose


def pixels(points: np.ndarray, camera: Camera) -> np.ndarray:
    """(n, 2) column and row that a pinhole camera sees points (n, 3) at."""
    azimuth, elevation = np.radians([camera.azimuth, camera.elevation])
    forward = np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    )
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    relative = points - (np.array(camera.lookat) - camera.distance * forward)
    focal = HEIGHT / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2) / (relative @ forward)
    return np.stack(
        [WIDTH / 2 + focal * (relative @ right), HEIGHT / 2 - focal * (relative @ np.cross(right, forward))],
        axis=1,
    )


def geoms(pose: np.ndarray) -> np.ndarray:
    """(n, 3) centres of the humanoid's geoms but the fingers, in the model of the simulation."""
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos[:] = pose
    mujoco.mj_kinematics(model, data)
    return data.geom_xpos[(model.geom_bodyid >= layout().frame) & (model.geom_size[:, 0] > THIN)]


def is_bronze(picture: np.ndarray) -> np.ndarray:
    red, _, blue = np.moveaxis(picture.astype(int), -1, 0)
    return red > blue + 30


def at(mask: np.ndarray, places: np.ndarray) -> np.ndarray:
    columns, rows = np.floor(places).astype(int).T
    return mask[rows, columns]


def test_the_humanoid_is_where_a_pinhole_camera_sees_it(renderer, pose):
    bronze = is_bronze(renderer.render([pose], [BRONZE], CAMERA))
    seen = pixels(geoms(pose), CAMERA)
    assert len(seen) > 30
    assert at(bronze, seen).all()  # the middle of every limb
    rows, columns = np.nonzero(bronze)
    # All there is lies within a hand's length (0.25 m) of a middle.
    focal = HEIGHT / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2) / CAMERA.distance
    distances = np.hypot(columns[:, None] - seen[:, 0], rows[:, None] - seen[:, 1]).min(axis=1)
    assert distances.max() < 0.25 * focal
    assert not is_bronze(renderer.render([], [], CAMERA)).any()


def test_the_picture_moves_with_the_camera(renderer, pose):
    for camera in (Camera((0.0, 0.4, 1.0), 6.0, 170.0, -30.0), Camera((0.6, -0.5, 0.7), 5.0, -80.0, 5.0)):
        bronze = is_bronze(renderer.render([pose], [BRONZE], camera))
        assert at(bronze, pixels(geoms(pose), camera)).all()


def test_two_humanoids_have_their_own_places_and_colours(renderer, pose):
    other = pose.copy()
    other[:2] += 0.9 * np.array([np.sin(np.radians(35)), -np.cos(np.radians(35))])  # to the right
    picture = renderer.render([pose, other], [BRONZE, GREY], CAMERA)
    assert at(is_bronze(picture), pixels(geoms(pose), CAMERA)).all()
    grey = pixels(geoms(other), CAMERA)
    assert not at(is_bronze(picture), grey).any()
    alone = renderer.render([pose], [BRONZE], CAMERA)
    changed = np.abs(picture.astype(int) - alone).sum(axis=-1) > 20
    assert at(changed, grey).all()


def test_pictures_repeat_to_the_byte(renderer, pose):
    first = renderer.render([pose], [BRONZE], CAMERA)
    renderer.render([], [], Camera((0, 0, 1)))
    np.testing.assert_array_equal(renderer.render([pose], [BRONZE], CAMERA), first)
    with Renderer(WIDTH, HEIGHT) as another:
        np.testing.assert_array_equal(another.render([pose], [BRONZE], CAMERA), first)


def test_python_ends_quietly_after_rendering(renderer):
    program = (
        "import numpy as np\n"
        "from mocapact_core.humanoid.render import Camera, Renderer\n"
        "with Renderer(32, 32) as renderer:\n"
        "    print(renderer.render([], [], Camera((0, 0, 1))).shape)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(32, 32, 3)\n", "")


# ---- Finding a backend


@pytest.fixture
def unknown(monkeypatch):
    """A machine of which nothing is known yet."""
    monkeypatch.setenv(render.REMEMBERED, "")  # so that it is restored afterwards
    monkeypatch.delenv(render.REMEMBERED)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    return monkeypatch


def test_without_opengl_the_remedy_is_named(unknown):
    unknown.setenv("MUJOCO_GL", "disable")
    assert not render.available()
    with pytest.raises(RenderingUnavailable, match=r"MUJOCO_GL=disable.*libosmesa6.*figures\.videos"):
        Renderer(32, 32)


def test_the_first_backend_that_works_is_taken_and_remembered(unknown):
    tried = []

    def works(name):
        tried.append(name)
        return name == "osmesa"

    unknown.setattr(render, "_works", works)
    assert render.backend() == "osmesa"
    assert render.available()
    assert tried == ["egl", "osmesa"]


def test_mujoco_gl_decides_where_it_is_set(unknown):
    unknown.setenv("MUJOCO_GL", "osmesa")
    unknown.setattr(render, "_works", lambda name: name == "egl")
    assert render.backend() == "none"


def test_a_backend_that_takes_python_down_does_not_work(unknown):
    unknown.setattr(sys, "executable", "/bin/false")
    assert render.backend() == "none"


def test_what_was_found_is_not_tried_again(unknown):
    unknown.setenv(render.REMEMBERED, "none")
    unknown.setattr(subprocess, "run", lambda *_, **__: pytest.fail("tried again"))
    assert not render.available()


def test_asking_does_not_load_the_simulator():
    program = (
        "import sys; from mocapact_core.humanoid.render import available\n"
        "print(sorted({'mujoco', 'dm_control', 'torch', 'OpenGL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
