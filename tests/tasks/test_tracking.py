"""The tracking task's own promises; its parity with dm_control is in test_tracking_parity.py."""

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import HIGH_LEVEL, TIME_INDEX
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import OBSERVABLES, TrackingTask, comic_reward, tracking_error


@pytest.fixture(scope="module")
def references():
    march, wave = builtin_trajectory("march"), builtin_trajectory("wave")
    return References([march.segment(0, 60), wave.segment(10, 50)])


def test_sizes_are_the_published_ones(references):
    everything = TrackingTask(references, 1, OBSERVABLES)
    assert (len(OBSERVABLES), everything.observation_size) == (35, 2868)
    assert tuple(sorted(OBSERVABLES)) == OBSERVABLES
    assert everything.columns["body_height"] == slice(71, 72)  # paper, appendix A.2
    assert everything.columns["world_zaxis"] == slice(2865, 2868)
    assert TrackingTask(references, 1, TIME_INDEX).observation_size == 206
    assert TrackingTask(references, 1, HIGH_LEVEL).observation_size == 1291


def test_columns_of_finds_the_inputs_of_a_policy(references):
    everything, expert = TrackingTask(references, 2, OBSERVABLES), TrackingTask(references, 2, TIME_INDEX)
    columns = everything.columns_of(TIME_INDEX)
    np.testing.assert_array_equal(everything.observe()[:, columns], expert.observe())


def test_on_the_reference_the_reward_is_at_its_maximum(references):
    task = TrackingTask(references, 3)
    task.start(slice(None), np.array([0, 0, 1]), np.array([0, 30, 5]))
    state = task.physics.state()
    now = references.at(references.offsets[[0, 0, 1]] + np.array([0, 30, 5]))
    error = tracking_error(state, now)
    np.testing.assert_allclose(error, 0, atol=1e-9)
    np.testing.assert_allclose(comic_reward(state, now, error, 0.3), 1.45, atol=1e-6)


def test_random_starts_are_uniform_over_all_allowed_steps(references):
    task = TrackingTask(references, 500, min_steps=10, seed=1)
    assert task.n_starts.tolist() == [60 - 5 - 10, 40 - 5 - 10]
    seen = np.zeros((2, 60))
    for _ in range(20):
        task.reset()
        np.add.at(seen, (task.snippet, task.step_in_snippet), 1)
    for snippet, n in enumerate(task.n_starts):
        assert (seen[snippet, :n] > 0).all() and not seen[snippet, n:].any()
    expected = 10_000 / task.n_starts.sum()
    allowed = np.concatenate([seen[0, :45], seen[1, :25]])
    chi_squared = ((allowed - expected) ** 2 / expected).sum()
    assert chi_squared < 69 + 4 * np.sqrt(2 * 69)


def test_an_episode_ends_where_its_observables_can_see_no_further(references):
    task = TrackingTask(references, 2, termination_error=100.0)
    for snippet, n_steps in ((0, 60), (1, 40)):
        task.start(slice(0, 1), np.array([snippet]), np.array([0]))
        ends = [task.step(np.zeros((1, 56)), slice(0, 1)).truncated[0] for _ in range(n_steps - 5)]
        assert ends == [False] * (n_steps - 6) + [True]


def test_a_short_snippet_starts_at_its_first_step(references):
    task = TrackingTask(references, 50, min_steps=50)
    task.reset()
    assert task.n_starts.tolist() == [5, 1]
    assert (task.step_in_snippet[task.snippet == 1] == 0).all()


def test_a_snippet_within_the_reference_horizon_is_refused():
    with pytest.raises(InputError, match="5 steps is too short"):
        TrackingTask(References([builtin_trajectory("wave").segment(0, 5)]), 1)


def test_an_unknown_observable_is_refused(references):
    with pytest.raises(InputError, match="joints_pos"):
        TrackingTask(references, 1, ["joint_pos"])


def test_no_snippets_are_refused():
    with pytest.raises(InputError, match="empty"):
        References([])


def test_a_share_of_random_episodes_begins_at_the_start():
    task = TrackingTask(References([builtin_trajectory("wave")]), 256, (), start_share=0.5)
    task.reset()
    assert 0.4 < (task.step_in_snippet == 0).mean() < 0.6
    assert len(np.unique(task.step_in_snippet)) > 20
