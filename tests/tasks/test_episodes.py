"""Running episodes: exactly those asked for, whatever runs beside them."""

from dataclasses import fields

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.tasks.episodes import random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

STARTS = np.array([0, 1, 0, 1, 0, 1, 0]), np.array([0, 3, 20, 0, 35, 10, 5])


@pytest.fixture(scope="module")
def references():
    return References([builtin_trajectory("sway").segment(0, 50), builtin_trajectory("wave").segment(0, 40)])


def still(observation, state, fresh):
    return np.zeros((len(observation), 56), np.float32), None


def test_episodes_do_not_depend_on_the_worlds_beside_them(references):
    results = [
        run_episodes(TrackingTask(references, n, n_threads=2), *STARTS, still, noise=0.1, seed=4)
        for n in (1, 3, 16)
    ]
    for result in results[1:]:
        for field in fields(result):
            np.testing.assert_array_equal(getattr(result, field.name), getattr(results[0], field.name))


def test_worlds_can_be_used_again(references):
    """By a second task on other snippets, as if they were new."""
    task = TrackingTask(References([builtin_trajectory("march").segment(0, 60)]), 4)
    run_episodes(task, np.zeros(6, int), np.arange(6), still, noise=0.3, seed=1)
    again = run_episodes(TrackingTask(references, 4, physics=task.physics), *STARTS, still, noise=0.1, seed=4)
    new = run_episodes(TrackingTask(references, 4), *STARTS, still, noise=0.1, seed=4)
    for field in fields(again):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(new, field.name))


def test_each_episode_is_that_of_a_plain_loop(references):
    episodes = run_episodes(TrackingTask(references, 4), *STARTS, still)
    task = TrackingTask(references, 1)
    for i, (snippet, start) in enumerate(zip(*STARTS, strict=True)):
        task.start(slice(None), np.array([snippet]), np.array([start]))
        rewards, done = [], False
        while not done:
            step = task.step(np.zeros((1, 56)))
            rewards.append(step.reward[0])
            done = step.done[0]
        assert episodes.lengths[i] == len(rewards)
        assert episodes.returns[i] == pytest.approx(sum(rewards), rel=1e-12)
        assert episodes.terminated[i] == step.terminated[0]
        horizon = task.last_steps[snippet] - start
        assert episodes.normalized_lengths[i] == len(rewards) / horizon
        assert episodes.normalized_returns[i] == pytest.approx(sum(rewards) / horizon, rel=1e-12)


def test_a_policy_learns_which_worlds_are_fresh(references):
    task = TrackingTask(references, 2)
    begun = []

    def policy(observation, state, fresh):
        begun.extend(zip(task.snippet[fresh], task.step_in_snippet[fresh], strict=True))
        return still(observation, state, fresh)

    run_episodes(task, *STARTS, policy)
    assert begun == list(zip(*STARTS, strict=True))


def test_a_recorder_sees_every_step_once(references):
    class Recorder:
        steps = np.zeros(7, int)
        finished: list[int] = []  # noqa: RUF012

        def record(self, worlds, episodes, observation, mean_actions, actions, step):
            assert len(observation) == len(actions) == len(step.reward) == len(episodes)
            np.add.at(self.steps, episodes, 1)

        def finish(self, worlds, episodes, last_observation):
            self.finished.extend(episodes.tolist())

    recorder = Recorder()
    episodes = run_episodes(TrackingTask(references, 3), *STARTS, still, recorder=recorder)
    np.testing.assert_array_equal(recorder.steps, episodes.lengths)
    assert sorted(recorder.finished) == list(range(7))


def test_random_starts_of_a_snippet_do_not_depend_on_the_others(references):
    both = random_starts(TrackingTask(references, 1), 5, 10, seed=2)
    lone = random_starts(
        TrackingTask(References([builtin_trajectory("wave").segment(0, 40)]), 1), 5, 10, seed=2
    )
    np.testing.assert_array_equal(both[0], [0] * 5 + [1] * 5)
    np.testing.assert_array_equal(both[1][5:], lone[1])
    assert both[1].max() < 50 - 5 - 10
