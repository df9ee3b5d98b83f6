"""Our tracking task against dm_control's, on the same states and actions, over whole episodes with resets."""

import numpy as np
import pytest

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import clip_lengths, read_trajectory
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import OBSERVABLES, TrackingTask
from tests.tasks.oracle import pose_actions, start_of, tracking_environment

STALE_IN_DM_CONTROL = "reference_ego_bodies_quats"  # its cache is keyed by step, not by frame of the clip


def snippets_of(path):
    """Every clip whole, and the second half of the first one."""
    lengths = clip_lengths(path)
    first, n_steps = next(iter(lengths.items()))
    whole = [Snippet(clip, 0, n) for clip, n in lengths.items() if n <= 320]
    return [*whole, Snippet(first, n_steps // 2, n_steps)]


@pytest.fixture(params=["builtin", "real"])
def motion(request, builtin_motion, real_motion_file):
    return builtin_motion if request.param == "builtin" else real_motion_file()


@pytest.mark.parametrize("ghost", [False, True])
@pytest.mark.parametrize("ref_steps", [(0,), (1, 2, 3, 4, 5)])
def test_parity_with_dm_control(motion, ref_steps, ghost):
    snippets = snippets_of(motion)
    oracle = tracking_environment(motion, snippets, ref_steps, ghost_offset=np.zeros(3) if ghost else None)
    trajectories = {snippet.clip: read_trajectory(motion, snippet.clip) for snippet in snippets}
    task = TrackingTask(
        References.of_snippets(snippets, trajectories), 1, observables=OBSERVABLES, ref_steps=ref_steps
    )
    rng = np.random.default_rng(0)
    n_steps = n_episodes = n_failures = 0
    noise = 0.0
    while n_steps < 150 or n_failures < 2:
        timestep = oracle.reset()
        snippet, step = start_of(oracle)
        task.start(slice(None), np.array([snippet]), np.array([step]))
        compare_observations(task, timestep.observation)
        noise = 0.6 - noise  # every other episode fails soon, the others go on
        while not timestep.last():
            action = np.clip(pose_actions(oracle) + noise * rng.standard_normal(56), -1, 1)
            timestep = oracle.step(action)
            ours = task.step(action[None])
            assert ours.reward[0] == pytest.approx(timestep.reward, abs=1e-9)
            assert task.error[0] == pytest.approx(oracle.task._termination_error, abs=1e-9)
            assert ours.done[0] == timestep.last()
            assert ours.terminated[0] == (timestep.discount == 0.0)
            compare_observations(task, timestep.observation)
            n_steps += 1
        n_episodes += 1
        n_failures += int(timestep.discount == 0.0)
    assert n_episodes >= 2


def compare_observations(task, theirs):
    assert set(theirs) >= {f"walker/{name}" for name in OBSERVABLES}
    observation = task.observe()[0]
    for name, columns in task.columns.items():
        if name != STALE_IN_DM_CONTROL:
            expected = np.ravel(theirs[f"walker/{name}"])
            np.testing.assert_allclose(observation[columns], expected, rtol=2e-6, atol=2e-6, err_msg=name)


def test_ego_bodies_quats_are_fresh(motion):
    """In its first episode dm_control's cache is fresh too."""
    snippets = snippets_of(motion)[:1]
    oracle = tracking_environment(motion, snippets, (1, 2, 3, 4, 5))
    task = TrackingTask(
        References.of_snippets(snippets, read_trajectory(motion, snippets[0].clip)), 1, [STALE_IN_DM_CONTROL]
    )
    timestep = oracle.reset()
    task.start(slice(None), np.array([0]), np.array([start_of(oracle)[1]]))
    theirs = np.ravel(timestep.observation[f"walker/{STALE_IN_DM_CONTROL}"])
    np.testing.assert_allclose(task.observe()[0], theirs, atol=2e-6)


def test_worlds_and_threads_do_not_matter(motion):
    snippets = snippets_of(motion)
    trajectories = {snippet.clip: read_trajectory(motion, snippet.clip) for snippet in snippets}
    references = References.of_snippets(snippets, trajectories)
    many = TrackingTask(references, 5, OBSERVABLES, n_threads=2)
    many.reset()
    lone = TrackingTask(references, 1, OBSERVABLES)
    lone.start(slice(None), many.snippet[3:4], many.step_in_snippet[3:4])
    actions = np.random.default_rng(1).uniform(-0.3, 0.3, (8, 5, 56))
    for action in actions:
        np.testing.assert_array_equal(many.step(action).reward[3], lone.step(action[3:4]).reward[0])
        np.testing.assert_array_equal(many.observe()[3], lone.observe()[0])
