"""An interactive window on the humanoid: an expert at work with the ghost of its reference, or a reference alone."""

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike

import mujoco
import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.errors import InputError
from mocapact_core.experts.watching import in_one_world
from mocapact_core.humanoid.model import CONTROL_STEP, build_walker, load_model
from mocapact_core.policies.expert import Expert
from mocapact_core.settings import TrackingSettings
from mocapact_core.tasks.task import ALL
from mocapact_core.tasks.tracking import TrackingTask

NOISE = 0.1  # standard deviation of the actions when noise is on, as in Table 9
HOLD = 20  # frames that the end of an episode stays
CLOSING = 10  # seconds that the window has to close
GHOST = (0.6, 0.62, 0.65, 0.4)  # red, green, blue and opacity
HELP = "Space: pause   Right: one step   Enter: again   Up, Down: noise on, off"

# Key codes of GLFW that mean nothing to MuJoCo's viewer
SPACE, ENTER, RIGHT, DOWN, UP = 32, 257, 262, 264, 265


def check_display() -> None:
    """Raise InputError where no window can open."""
    import glfw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GLFW's own words
        works = glfw.init()
    if not works:
        raise InputError(
            "The viewer needs a display, but no window can open here: set DISPLAY or WAYLAND_DISPLAY, or run it on "
            "a desktop. Without a display, `python -m mocapact_core render EXPERT VIDEO` makes a video."
        )
    glfw.terminate()  # MuJoCo's viewer starts it again in its own thread


@dataclass(frozen=True)
class Frame:
    """What to show for one control step."""

    qpos: np.ndarray
    """Of the model that is shown (m, rad)."""
    text: str


@dataclass
class Keys:
    """What the keys have set. The window's thread presses, the loop of `play` reads."""

    paused: bool = False
    noisy: bool = False
    again: bool = False
    steps: int = 0
    """Single steps asked for while paused."""

    def press(self, key: int) -> None:
        if key == SPACE:
            self.paused = not self.paused
        elif key == ENTER:
            self.again, self.steps = True, 1
        elif key == RIGHT:
            self.steps += 1
        elif key in (UP, DOWN):
            self.noisy = key == UP

    def advance(self) -> bool:
        """Whether the next frame is due."""
        if not self.paused:
            self.steps = 0
            return True
        if self.steps:
            self.steps -= 1
            return True
        return False


Episode = Callable[[Keys], Iterator[Frame]]
"""Begins an episode and gives its frames."""


def view_expert(
    trajectory_path: str | PathLike,
    snippet: Snippet,
    folder: str | PathLike,
    tracking: TrackingSettings,
    seed: int,
) -> None:
    """Show the expert in `folder`, simulated as one watches, each episode from the start of its snippet."""
    expert, _, task = in_one_world(trajectory_path, snippet, folder, tracking)
    rng = np.random.default_rng(seed)
    show(model_with_ghost(), lambda keys: expert_episode(task, expert, keys, rng))


def view_reference(trajectory_path: str | PathLike, snippet: Snippet) -> None:
    """Show the reference motion of a snippet."""
    poses = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end).qpos()
    show(load_model(), lambda keys: reference_frames(poses))


def reference_frames(poses: np.ndarray) -> Iterator[Frame]:
    """The frames of poses (T, 63)."""
    for step, pose in enumerate(poses):
        yield Frame(pose, f"step {step} of {len(poses) - 1}")


def expert_episode(
    task: TrackingTask, expert: Expert, keys: Keys, rng: np.random.Generator
) -> Iterator[Frame]:
    """An episode from the start in the only world of `task`. A frame holds the expert's pose and the reference's."""
    task.start(ALL, np.zeros(1, int), np.zeros(1, int))
    last, done, failed = int(task.last_steps[0]), False, False
    while True:
        step = int(task.step_in_snippet[0])
        end = "" if not done else "   lost the reference" if failed else "   the end"
        noise = f"noise {NOISE if keys.noisy else 'off'}"
        text = (
            f"step {step} of {last}   error {task.error[0]:.3f} of {task.termination_error:g}   {noise}{end}"
        )
        yield from (HOLD if done else 1) * [
            Frame(np.concatenate([task.physics.qpos[0], task.references.qpos[step]]), text)
        ]
        if done:
            return
        actions, _ = expert.predict(task.observe())
        if keys.noisy:
            actions = actions + NOISE * rng.standard_normal(actions.shape, np.float32)
        result = task.step(actions)
        done, failed = bool(result.done[0]), bool(result.terminated[0])


def model_with_ghost() -> mujoco.MjModel:
    """The humanoid and a translucent ghost: its qpos (126,) is that of the humanoid and then that of the ghost."""
    arena, _ = build_walker(ghost=True)
    from dm_control import mjcf  # after build_walker, which silences the first import of dm_control

    model = mjcf.Physics.from_mjcf_model(arena.mjcf_model).model._model
    for i in range(model.ngeom):
        geom = model.geom(i)
        if geom.name.startswith("ghost/") and geom.rgba[3] > 0:
            geom.rgba = GHOST
    for i in range(model.nskin):
        if model.skin(i).name.startswith("ghost/"):
            model.skin(i).rgba = GHOST
    return model


def show(model: mujoco.MjModel, episode: Episode) -> None:
    """Play episodes in a window until it is closed.

    Raises:
        InputError: no window can open.
    """
    from mujoco import viewer

    data, keys, threads = mujoco.MjData(model), Keys(), set(threading.enumerate())
    try:
        window = viewer.launch_passive(
            model, data, key_callback=keys.press, show_left_ui=False, show_right_ui=False
        )
    except RuntimeError as error:
        advice = "Run `mjpython -m mocapact_core view ...`." if sys.platform == "darwin" else ""
        raise InputError(f"The viewer's window cannot open: {error}. {advice}") from None
    try:
        with window:
            window.cam.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            window.cam.trackbodyid = model.body("walker/root").id
            window.cam.distance, window.cam.azimuth, window.cam.elevation = 4.0, 140.0, -10.0
            play(window, model, data, episode, keys)
    finally:  # Python must not end, and with it GLFW, while MuJoCo's thread still draws
        for thread in set(threading.enumerate()) - threads:
            thread.join(CLOSING)


def play(
    window: "mujoco.viewer.Handle",
    model: mujoco.MjModel,
    data: mujoco.MjData,
    episode: Episode,
    keys: Keys,
) -> None:
    """Show the frames of episode after episode at the pace of the control steps, until the window is closed."""
    frames = episode(keys)
    while window.is_running():
        due = time.monotonic() + CONTROL_STEP
        if keys.again:
            keys.again, frames = False, episode(keys)
        if keys.advance():
            frame = next(frames, None)
            if frame is None:
                frames = episode(keys)
                frame = next(frames)
            data.qpos[:] = frame.qpos
            mujoco.mj_forward(model, data)
            top, bottom = mujoco.mjtGridPos.mjGRID_TOPLEFT, mujoco.mjtGridPos.mjGRID_BOTTOMLEFT
            window.set_texts([(None, top, frame.text, None), (None, bottom, HELP, None)])
            window.sync()
        time.sleep(max(0.0, due - time.monotonic()))
