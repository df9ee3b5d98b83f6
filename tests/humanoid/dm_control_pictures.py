"""The pictures that dm_control's environment makes, in a process of its own: it chooses its OpenGL when it is imported.

python -m tests.humanoid.dm_control_pictures MOTION OUTPUT
"""

import sys

import numpy as np

from mocapact_core.clips.snippets import Snippet
from tests.tasks.oracle import pose_actions, tracking_environment

SNIPPET = Snippet("wave", 0, 60)
CAMERAS = ("body_camera", "egocentric_camera")
STEPS = 12


def main(motion: str, output: str) -> None:
    environment = tracking_environment(motion, [SNIPPET], (1, 2, 3, 4, 5), always_init_at_clip_start=True)
    for name in CAMERAS:
        environment.task.observables[f"walker/{name}"].enabled = True
    environment.reset()
    actions = []
    for _ in range(STEPS):
        actions.append(pose_actions(environment))
        step = environment.step(actions[-1])
    pictures = {name: step.observation[f"walker/{name}"] for name in CAMERAS}
    np.savez(output, actions=actions, **pictures)


if __name__ == "__main__":
    main(*sys.argv[1:])
