"""What the window shows and what its keys do, with a window that only writes it down."""

import os
import subprocess
import sys
from types import SimpleNamespace

import glfw
import numpy as np
import pytest
from mujoco import viewer as mujoco_viewer

from mocapact_core import viewer
from mocapact_core.cli import main
from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.viewer import DOWN, ENTER, HOLD, RIGHT, SPACE, UP

REFERENCE = builtin_trajectory("stand").qpos()


class Window:
    """Open for a number of turns of the loop, in some of which keys are pressed."""

    def __init__(self, data, press, keys, turns=130):
        self.data, self.press, self.keys, self.turns, self.turn = data, press, keys, turns, -1
        self.cam, self.shown, self.texts = SimpleNamespace(), {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def is_running(self) -> bool:
        self.turn += 1
        for key in self.keys.get(self.turn, []):
            self.press(key)
        return self.turn < self.turns

    def set_texts(self, texts) -> None:
        self.texts[self.turn] = texts[0][2]

    def sync(self) -> None:
        self.shown[self.turn] = self.data.qpos.copy()


@pytest.fixture
def keys(monkeypatch) -> dict[int, list[int]]:
    """Keys to press, by turn of the loop."""
    return {}


@pytest.fixture
def windows(monkeypatch, keys) -> list[Window]:
    """The windows that were opened."""
    opened: list[Window] = []

    def launch_passive(model, data, *, key_callback, **_):
        opened.append(Window(data, key_callback, keys))
        return opened[-1]

    monkeypatch.setattr(mujoco_viewer, "launch_passive", launch_passive)
    monkeypatch.setattr(viewer.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(glfw, "init", lambda: True)
    monkeypatch.setattr(glfw, "terminate", lambda: None)
    return opened


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """With an untrained expert on `stand`, which soon falls."""
    folder = tmp_path_factory.mktemp("results")
    settings = ["--set", "experts={total_steps: 0, warm_start: none, hidden: [8]}"]
    assert main(["train", "stand", "--set", f"results={folder}", *settings]) == 0
    return folder


def view_expert(results, windows) -> Window:
    assert main(["view", f"{results}/experts/stand-0-80", "--set", f"results={results}"]) == 0
    return windows[-1]


def steps_shown(window: Window) -> list[int]:
    return [int(text.split()[1]) for text in window.texts.values()]


def test_the_reference_starts_again_after_its_last_frame(windows, tmp_path):
    assert main(["view", "stand", "--reference", "--set", f"results={tmp_path}"]) == 0
    np.testing.assert_array_equal(list(windows[0].shown.values()), [*REFERENCE, *REFERENCE[:49]])


def test_an_expert_is_shown_with_the_ghost_of_its_reference(windows, results):
    window = view_expert(results, windows)
    steps = steps_shown(window)
    shown = np.array(list(window.shown.values()))
    np.testing.assert_array_equal(shown[:, 63:], REFERENCE[steps])
    np.testing.assert_array_equal(shown[0, :63], REFERENCE[0])
    assert not np.array_equal(shown[1, :63], REFERENCE[1])


def test_an_episode_that_has_ended_stays_a_while_and_starts_again(windows, results):
    window = view_expert(results, windows)
    steps = steps_shown(window)
    last = max(steps)
    assert 5 < last < 75, "an untrained expert falls"
    assert (steps * 2)[: last + HOLD + 3] == [*range(last), *[last] * HOLD, 0, 1, 2]
    assert "lost the reference" in list(window.texts.values())[last]
    assert "lost the reference" not in list(window.texts.values())[last - 1]


def test_the_ghost_has_the_joints_of_the_humanoid_and_touches_nothing():
    model = viewer.model_with_ghost()
    names = [model.jnt(i).name.split("/") for i in range(model.njnt)]
    half = len(names) // 2
    assert [name for _, name in names[:half]] == [name for _, name in names[half:]]
    assert {owner for owner, _ in names[:half]} == {"walker"}
    for geom in map(model.geom, range(model.ngeom)):
        if geom.name.startswith("ghost/"):
            assert not geom.contype.any()
            assert not geom.conaffinity.any()
            assert geom.rgba[3] < 0.5


def test_keys_pause_and_step_and_start_again(windows, results, keys):
    keys |= {3: [SPACE], 5: [RIGHT], 8: [RIGHT, RIGHT], 20: [ENTER], 25: [SPACE]}
    window = view_expert(results, windows)
    by_turn = {turn: int(text.split()[1]) for turn, text in window.texts.items() if turn < 28}
    assert by_turn == {0: 0, 1: 1, 2: 2, 5: 3, 8: 4, 9: 5, 20: 0, 25: 1, 26: 2, 27: 3}


def test_steps_asked_for_while_it_runs_are_not_saved_up(windows, results, keys):
    keys |= {2: [RIGHT], 5: [SPACE]}
    window = view_expert(results, windows)
    assert list(window.texts) == [0, 1, 2, 3, 4]


def test_keys_switch_noise(windows, results, keys):
    quiet = view_expert(results, windows).shown
    keys |= {2: [UP], 4: [DOWN]}
    noisy = view_expert(results, windows)
    same = [bool((noisy.shown[turn] == quiet[turn]).all()) for turn in range(6)]
    assert same == [True, True, False, False, False, False]  # what began apart stays apart
    assert ["noise 0.1" in noisy.texts[turn] for turn in range(6)] == [False, False, True, True, False, False]


def test_the_pace_is_that_of_the_control_steps(windows, results, monkeypatch):
    slept = []
    monkeypatch.setattr(viewer.time, "sleep", slept.append)
    monkeypatch.setattr(viewer.time, "monotonic", lambda: 0.0)
    view_expert(results, windows)
    assert slept == [0.03] * 130


@pytest.mark.skipif(sys.platform != "linux", reason="only there does a variable name the display")
@pytest.mark.parametrize("display", [None, "", ":987"])
def test_without_a_display_there_is_one_clear_message(display, tmp_path):
    """A real attempt in a process of its own, where MuJoCo's viewer would wait forever."""
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    if display is not None:
        environment["DISPLAY"] = display
    command = [sys.executable, "-m", "mocapact_core", "view", "--reference", "stand"]
    run = subprocess.run(
        [*command, "--set", f"results={tmp_path}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1
    assert "needs a display" in run.stderr
    assert run.stderr.count("\n") == 1
