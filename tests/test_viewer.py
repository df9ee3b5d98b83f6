"""What the window shows, with a window that only writes it down."""

from types import SimpleNamespace

import numpy as np
import pytest
from mujoco import viewer as mujoco_viewer

from mocapact_core import viewer
from mocapact_core.cli import main
from mocapact_core.clips.builtin import builtin_trajectory


class Window:
    """Open for a number of frames."""

    def __init__(self, data, n_frames: int):
        self.data, self.left, self.shown, self.cam = data, n_frames, [], SimpleNamespace()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def is_running(self) -> bool:
        return self.left > 0

    def sync(self) -> None:
        self.left -= 1
        self.shown.append(self.data.qpos.copy())


@pytest.fixture
def windows(monkeypatch):
    """The windows that were opened, each for 100 frames."""
    opened = []

    def launch_passive(model, data, **_):
        opened.append(Window(data, 100))
        return opened[-1]

    monkeypatch.setattr(mujoco_viewer, "launch_passive", launch_passive)
    monkeypatch.setattr(viewer.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("DISPLAY", ":0")
    return opened


def test_the_reference_starts_again_after_its_last_frame(windows, tmp_path):
    assert main(["view", "stand", "--reference", "--set", f"results={tmp_path}"]) == 0
    poses = builtin_trajectory("stand").qpos()
    np.testing.assert_array_equal(windows[0].shown, [*poses, *poses[:19]])


def test_an_expert_starts_on_its_snippet_and_starts_again(windows, tmp_path):
    settings = [
        "--set",
        f"results={tmp_path}",
        "--set",
        "experts={total_steps: 0, warm_start: none, hidden: [8]}",
    ]
    assert main(["train", "stand", *settings]) == 0
    assert main(["view", "stand", *settings]) == 0
    shown = np.array(windows[0].shown)
    first = builtin_trajectory("stand").qpos()[0]
    starts = np.flatnonzero((shown == first).all(axis=1))
    assert starts[0] == 0
    assert 10 < starts[1] < 81, "an untrained expert falls, and the episode starts again"
    assert not np.array_equal(shown[1], builtin_trajectory("stand").qpos()[1])
