"""An interactive window on the humanoid: an expert at work, or the reference motion."""

import itertools
import os
import sys
import time

import mujoco
import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import CONTROL_STEP, load_model


def check_display() -> None:
    """Raise InputError where no window can open."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(
            "The viewer needs a display, but neither DISPLAY nor WAYLAND_DISPLAY is set. Run it on a "
            "desktop, or let the workflow render a video: snakemake --cores 1 results/videos/SNIPPET.mp4."
        )


def show(poses: np.ndarray) -> None:
    """Play poses (T, 63) at the pace of the control steps, again and again until the window is closed."""
    from mujoco import viewer  # loads GLFW, which complains where there is no display

    model = load_model()
    data = mujoco.MjData(model)
    with viewer.launch_passive(model, data, show_left_ui=False, show_right_ui=False) as window:
        window.cam.type = mujoco.mjtCamera.mjCAMERA_TRACKING
        window.cam.trackbodyid = model.body("walker/root").id
        window.cam.distance, window.cam.azimuth, window.cam.elevation = 4.0, 140.0, -10.0
        for pose in itertools.cycle(poses):
            if not window.is_running():
                return
            due = time.monotonic() + CONTROL_STEP
            data.qpos[:] = pose
            mujoco.mj_forward(model, data)
            window.sync()
            time.sleep(max(0.0, due - time.monotonic()))
