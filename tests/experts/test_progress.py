"""When training is evaluated and when it ends, on curves made by hand."""

import pytest

from mocapact_core.experts.progress import (
    Evaluation,
    evaluation_is_due,
    is_best,
    is_finished,
    stops_early,
    write_progress,
)
from mocapact_core.settings import ExpertSettings

M = 1_000_000


def curve(rewards, length=0.99, every=M):
    return [Evaluation(every * i, reward, length, 0.0, 0.0) for i, reward in enumerate(rewards)]


FLAT = [0.5] * 11
CASES = {
    "flat for exactly the patience": (FLAT, True, True),
    "flat for less": (FLAT[:10], False, False),
    "0.9 % and 0.0045 more": ([*FLAT[:10], 0.5045], True, True),
    "1.1 % but 0.0055 more": ([*FLAT[:10], 0.5055], False, True),
    "2.2 % and 0.011 more": ([*FLAT[:10], 0.511], False, False),
    "more in between, less again now": ([*FLAT[:5], 0.6, *FLAT[:5]], False, False),
    "the best long ago": ([0.4, 0.9, *FLAT], True, True),
    "climbs slowly but steadily": ([0.5 + 0.002 * i for i in range(20)], False, False),
    "climbs slower than the rule": ([0.5 + 0.0004 * i for i in range(20)], True, True),
    "0.9 % of a high reward is 0.0126": ([1.4] * 10 + [1.4126], True, False),
}


@pytest.mark.parametrize("name", CASES)
def test_early_stopping(name):
    rewards, paper, released = CASES[name]
    assert stops_early(curve(rewards), "paper", 10 * M) == paper
    assert stops_early(curve(rewards), "released", 10 * M) == released
    assert not stops_early(curve(rewards), "none", 10 * M)


def test_a_snippet_that_is_not_tracked_to_its_end_is_trained_on():
    for rule in ("paper", "released"):
        assert not stops_early(curve(FLAT, length=0.979), rule, 10 * M)
        assert stops_early(curve(FLAT, length=0.98), rule, 10 * M)
    barely = [*curve(FLAT[:10], length=0.5), Evaluation(10 * M, 0.5, 0.98, 0, 0)]
    assert stops_early(barely, "paper", 10 * M)  # only the length now counts


def test_evaluations_are_made_at_the_first_update_past_the_interval_and_at_the_end():
    settings = ExpertSettings(total_steps=100, evaluate_every=30)
    made = []
    for steps in range(0, 112 + 1, 16):
        if evaluation_is_due(made, steps, settings):
            made.append(Evaluation(steps, 0, 0, 0, 0))
            assert not evaluation_is_due(made, steps, settings)
        assert is_finished(made, settings) == (steps >= 112)
    assert [evaluation.steps for evaluation in made] == [0, 32, 64, 96, 112]


def test_training_of_no_steps_is_one_evaluation():
    settings = ExpertSettings(total_steps=0)
    assert not is_finished([], settings)
    assert evaluation_is_due([], 0, settings)
    assert is_finished(curve([0.1]), settings)


def test_the_best_is_the_first_of_the_highest_reward_from_random_steps():
    evaluations = curve([0.3, 0.5, 0.5, 0.4])
    best = [is_best(e, evaluations[:i]) for i, e in enumerate(evaluations)]
    assert best == [True, True, False, False]


def test_progress_csv(tmp_path):
    write_progress(tmp_path / "progress.csv", [Evaluation(64, 0.25, 1 / 3, 0.5, 1.0)])
    assert (tmp_path / "progress.csv").read_text() == (
        "steps,normalized_reward,normalized_length,start_normalized_reward,start_normalized_length\n"
        "64,0.250000,0.333333,0.500000,1.000000\n"
    )
