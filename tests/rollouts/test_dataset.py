"""Batches against the episodes that were written."""

import logging

import numpy as np
import pytest

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import HIGH_LEVEL
from mocapact_core.rollouts.dataset import RolloutDataset
from tests.rollouts.synthetic import SIZES, write_synthetic_dataset

LENGTHS = {"A_1-0-198": [12, 7, 9, 4], "A_1-165-363": [5, 8, 11, 6], "B_2-0-60": [3, 30, 1, 5]}
SEQUENCE = 5


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_synthetic_dataset(tmp_path_factory.mktemp("rollouts"), LENGTHS, n_start=2)


def dataset(written, **changes):
    paths, metrics, _ = written
    asked = {"snippets": None, "observables": HIGH_LEVEL, "sequence": SEQUENCE} | changes
    return RolloutDataset(paths, metrics, **asked)


def columns_of(observables):
    """Alphabetical order, computed here anew."""
    ends = dict(zip(sorted(SIZES), np.cumsum([SIZES[name] for name in sorted(SIZES)]), strict=True))
    return np.concatenate([np.arange(ends[name] - SIZES[name], ends[name]) for name in observables])


def test_every_sequence_is_a_piece_of_one_episode(written):
    data = dataset(written)
    batch = data.batch(np.random.default_rng(0), 300)
    assert batch.observations.shape == (300, SEQUENCE, 1291)
    assert batch.actions.shape == batch.mean_actions.shape == (300, SEQUENCE, 56)
    columns = columns_of(HIGH_LEVEL)
    for i in range(300):
        snippet = data.snippets[batch.snippets[i]]
        places = [
            (episode, t)
            for episode in written[2][snippet]
            for t in range(len(episode) - SEQUENCE + 1)
            if np.array_equal(episode.values[t : t + SEQUENCE], batch.values[i])
        ]
        assert len(places) == 1
        episode, t = places[0]
        part = slice(t, t + SEQUENCE)
        np.testing.assert_array_equal(batch.observations[i], episode.observations[part, columns])
        np.testing.assert_array_equal(batch.actions[i], episode.actions[part])
        np.testing.assert_array_equal(batch.mean_actions[i], episode.mean_actions[part])
        np.testing.assert_array_equal(batch.advantages[i], episode.advantages[part])


def test_sequences_are_drawn_by_weight(written):
    """Each sequence of a snippet of length l is drawn with a probability in proportion to 210 / l."""
    data = dataset(written, observables=["body_height"])
    batch = data.batch(np.random.default_rng(0), 200_000)
    drawn = {}
    for snippet, value in zip(batch.snippets, batch.values[:, 0], strict=True):
        drawn[data.snippets[snippet], value] = drawn.get((data.snippets[snippet], value), 0) + 1
    possible = {
        (snippet, value): 210 / parse_snippet(snippet).n_steps
        for snippet, episodes in written[2].items()
        for episode in episodes
        for value in episode.values[: max(0, len(episode) - SEQUENCE + 1)]
    }
    assert set(drawn) == set(possible) and len(possible) == data.n_sequences
    expected = np.array(list(possible.values()))
    expected *= 200_000 / expected.sum()
    counts = np.array([drawn[key] for key in possible])
    assert np.sum((counts - expected) ** 2 / expected) < 1.5 * len(
        possible
    )  # chi squared; its mean is len - 1


def test_the_same_seed_draws_the_same(written):
    data = dataset(written)
    one, same, other = (data.batch(np.random.default_rng(seed), 8) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.observations, same.observations)
    assert not np.array_equal(one.observations, other.observations)


def test_only_the_snippets_asked_for(written):
    snippet = parse_snippet("A_1-165-363")
    data = dataset(written, snippets=[snippet])
    assert data.snippets == ["A_1-165-363"]
    assert set(data.batch(np.random.default_rng(0), 50).snippets) == {0}
    assert len(data.values) == 5 + 8 + 11 + 6


def test_statistics_and_returns_are_those_of_the_metrics(written):
    data = dataset(written)
    rows = np.concatenate([e.observations for of in written[2].values() for e in of]).astype(np.float64)
    columns = columns_of(HIGH_LEVEL)
    np.testing.assert_allclose(data.observation_mean, rows.mean(axis=0)[columns], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(data.observation_variance, rows.var(axis=0)[columns], rtol=1e-9)
    batch = data.batch(np.random.default_rng(0), 20)
    for number, name in enumerate(data.snippets):
        expected = np.mean([e.rewards.astype(np.float64).sum() / 200 for e in written[2][name]])
        np.testing.assert_allclose(data.snippet_returns[number], expected, rtol=1e-6)
        np.testing.assert_allclose(batch.snippet_returns[batch.snippets == number], expected, rtol=1e-6)


def test_a_snippet_with_short_episodes_only_is_left_out_with_a_warning(written, caplog):
    with caplog.at_level(logging.WARNING):
        data = dataset(written, sequence=12)
    assert data.snippets == ["A_1-0-198", "B_2-0-60"]
    assert "A_1-165-363" in caplog.text
    assert data.n_sequences == 1 + 19


def test_bad_input_is_told(written):
    with pytest.raises(InputError, match=r"A_1-0-199; the nearest .* A_1-0-198"):
        dataset(written, snippets=["A_1-0-199"])
    with pytest.raises(InputError, match=r"joint_pos.*joints_pos"):
        dataset(written, observables=["joint_pos"])
    with pytest.raises(InputError, match="31 steps of a training sequence"):
        dataset(written, sequence=31)
