"""Step sizes that follow a KL divergence."""

import pytest

from mocapact_core.policies.ppo import STEP_SIZES, adapted


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
