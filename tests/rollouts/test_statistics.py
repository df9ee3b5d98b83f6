"""Statistics against direct computation over all rows at once."""

import numpy as np
import pytest

from mocapact_core.rollouts import layout
from mocapact_core.rollouts.statistics import Moments
from tests.rollouts.synthetic import write_synthetic_rollouts


@pytest.mark.parametrize(
    "name, field", {"proprio": "observations", "act": "actions", "mean_act": "mean_actions"}.items()
)
def test_statistics_of_a_file_are_those_of_its_own_episodes(tmp_path, name, field):
    lengths = {"A_1-0-198": [12, 7, 9], "A_1-165-363": [5, 8, 11]}
    episodes = write_synthetic_rollouts(tmp_path / "A_1.hdf5", lengths, n_start=1)
    rows = np.concatenate([getattr(episode, field) for of in episodes.values() for episode in of])
    rows = rows.astype(np.float64)
    with layout.open_rollouts(tmp_path / "A_1.hdf5") as file:
        np.testing.assert_allclose(file[f"stats/{name}_mean"], rows.mean(axis=0), rtol=2e-7, atol=1e-9)
        np.testing.assert_allclose(file[f"stats/{name}_var"], rows.var(axis=0), rtol=2e-7)
        assert file["stats/count"][()] == 52 + 6


def test_moments_survive_a_large_mean():
    """Where E[x^2] - E[x]^2 loses most of its digits."""
    rows = 1e3 + 1e-3 * np.random.default_rng(0).standard_normal((1000, 3))
    merged = sum((Moments.of(part) for part in np.split(rows, [10, 400])[1:]), Moments.of(rows[:10]))
    np.testing.assert_allclose(merged.variance, rows.var(axis=0), rtol=1e-9)
    assert not np.allclose(
        (rows**2).mean(axis=0) - rows.mean(axis=0) ** 2, rows.var(axis=0), rtol=1e-6, atol=0
    )
