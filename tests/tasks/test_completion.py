"""The completion task against the tracking task, which shares its physics, and MuJoCo's contact list."""

import mujoco
import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.humanoid.model import layout, load_model
from mocapact_core.humanoid.observables import HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.tasks.completion import CompletionTask
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask


@pytest.fixture(scope="module")
def references():
    return References([builtin_trajectory("stand"), builtin_trajectory("squat").segment(20, 70)])


def test_same_motion_as_the_tracking_task(references):
    worlds, snippets, steps = np.arange(3), np.array([0, 1, 1]), np.array([5, 0, 30])
    completion = CompletionTask(references, 3)
    tracking = TrackingTask(references, 3, HIGH_LEVEL_SANS_REFERENCE)
    for task in (completion, tracking):
        task.start(worlds, snippets, steps)
    np.testing.assert_array_equal(completion.physics.qpos[1], references.qpos[references.offsets[1]])
    rng = np.random.default_rng(0)
    for _ in range(5):
        actions = rng.uniform(-1, 1, (3, 56))
        step = completion.step(actions)
        tracking.step(actions)
        np.testing.assert_array_equal(completion.observe(), tracking.observe())
        assert not step.truncated.any()
        assert (step.reward == 0).all()


def test_an_episode_ends_when_mujoco_lists_a_contact_of_a_forbidden_part(references):
    task = CompletionTask(references, 2)
    task.start(np.arange(2), np.array([0, 1]), np.array([0, 0]))
    floor = load_model().geom("groundplane").id
    ended = np.zeros(2, bool)
    for _ in range(60):
        step = task.step(np.zeros((2, 56)))
        for world in range(2):
            data = task.physics.data(world)
            mujoco.mj_forward(load_model(), data)
            on_floor = {int(geom) for pair in data.contact.geom if floor in pair for geom in pair}
            assert step.terminated[world] == bool(on_floor & set(layout().others))
        ended |= step.terminated
    assert ended.all(), "without control the humanoid falls"


def test_random_starts_are_frames_of_the_references(references):
    task = CompletionTask(references, 40, seed=3)
    frames = {row.tobytes(): index for index, row in enumerate(references.qpos)}
    drawn = {frames[qpos.tobytes()] for qpos in task.physics.qpos}
    assert len(drawn) > 20
    assert {row >= references.offsets[1] for row in drawn} == {True, False}
