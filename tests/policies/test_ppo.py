"""Step sizes that follow a KL divergence."""

import pytest

from mocapact_core.policies.ppo import STEP_SIZES, FollowKL, adapted


@pytest.mark.parametrize(
    ("reached", "factor"),
    [(0.6, 1), (0.7, 1), (0.5, 1), (0.9, 1 / 1.2), (0.3, 1.2), (0.0, 1.2), (5.0, 1 / 1.2)],
)
def test_a_step_size_is_changed_where_the_divergence_is_off_its_target(reached, factor):
    assert adapted(1e-4, reached, target=0.6) == pytest.approx(1e-4 * factor)


def test_step_sizes_have_limits():
    least, most = STEP_SIZES
    assert adapted(least, 9.0, 0.6) == least
    assert adapted(most, 0.0, 0.6) == most


def test_the_target_falls_to_a_tenth_at_the_end():
    follow = FollowKL(0.6, annealing_from=60, total=100)
    shares = []
    for follow.num_timesteps in (0, 60, 64, 80, 100, 120):
        shares.append(follow.share())
    assert shares == pytest.approx([1, 1, 0.91, 0.55, 0.1, 0.1])


def test_a_training_of_one_step_has_a_target():
    follow = FollowKL(0.6, annealing_from=1, total=1)
    follow.num_timesteps = 8
    assert follow.share() == 0.1
