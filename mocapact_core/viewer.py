"""An interactive window on the humanoid: an expert at work, or the reference motion."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np

from mocapact_core.clips.trajectory import Trajectory
from mocapact_core.config import TrackingSettings
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import CONTROL_STEP, load_model
from mocapact_core.policies.expert import Expert
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask


def check_display() -> None:
    """Raise InputError where no window can open."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(
            "The viewer needs a display, but neither DISPLAY nor WAYLAND_DISPLAY is set. Run it on a "
            "desktop, or let the workflow render a video: snakemake --cores 1 results/videos/SNIPPET.mp4."
        )


def show_reference(segment: Trajectory) -> None:
    """Play the motion again and again until the window is closed."""
    _show(iter(lambda: segment.qpos(), None))


def show_expert(folder: Path, segment: Trajectory, tracking: TrackingSettings) -> None:
    """Play episodes of the expert, noise off, from the start of its snippet until the window is closed."""
    expert = Expert.load(folder)
    task = TrackingTask(
        References([segment]),
        n_worlds=1,
        observables=expert.observables,
        ref_steps=tracking.ref_steps,
        termination_error=tracking.termination_error,
    )
    _show(_episodes(task, expert))


def _episodes(task: TrackingTask, expert: Expert) -> Iterator[np.ndarray]:
    """Poses (T, 63) of one episode after the other."""
    world = np.zeros(1, int)
    while True:
        task.start(world, world, world)
        poses, done = [task.physics.qpos[0].copy()], False
        while not done:
            actions, _ = expert.predict(task.observe())
            done = bool(task.step(actions).done[0])
            poses.append(task.physics.qpos[0].copy())
        yield np.array(poses)


def _show(episodes: Iterator[np.ndarray]) -> None:
    from mujoco import viewer  # loads GLFW, which complains where there is no display

    model = load_model()
    data = mujoco.MjData(model)
    with viewer.launch_passive(model, data, show_left_ui=False, show_right_ui=False) as window:
        window.cam.type = mujoco.mjtCamera.mjCAMERA_TRACKING
        window.cam.trackbodyid = model.body("walker/root").id
        window.cam.distance, window.cam.azimuth, window.cam.elevation = 4.0, 140.0, -10.0
        for poses in episodes:
            for pose in poses:
                if not window.is_running():
                    return
                due = time.monotonic() + CONTROL_STEP
                data.qpos[:] = pose
                mujoco.mj_forward(model, data)
                window.sync()
                time.sleep(max(0.0, due - time.monotonic()))
