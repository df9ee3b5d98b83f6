"""Batches against the episodes that were written."""

import logging

import numpy as np
import pytest
import torch

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import BASE, HIGH_LEVEL
from mocapact_core.policies.modules import Normaliser
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


@pytest.mark.parametrize("sequence", [1, SEQUENCE])
@pytest.mark.parametrize("pack", [False, True])
def test_every_sequence_is_a_piece_of_one_episode(written, sequence, pack):
    data = dataset(written, sequence=sequence, pack=pack)
    batch = data.batch(np.random.default_rng(0), 300)
    assert batch.observations.shape == (300, sequence, 1291)
    assert batch.actions.shape == batch.mean_actions.shape == (300, sequence, 56)
    columns = columns_of(HIGH_LEVEL)
    for i in range(300):
        snippet = data.snippets[batch.snippets[i]]
        places = [
            (episode, t)
            for episode in written[2][snippet]
            for t in range(len(episode) - sequence + 1)
            if np.array_equal(episode.values[t : t + sequence], batch.values[i])
        ]
        assert len(places) == 1
        episode, t = places[0]
        part = slice(t, t + sequence)
        np.testing.assert_array_equal(batch.observations[i], episode.observations[part, columns])
        for name in ("actions", "mean_actions", "rewards", "advantages"):
            np.testing.assert_array_equal(getattr(batch, name)[i], getattr(episode, name)[part])


def test_sequences_are_drawn_by_weight(written):
    """Each sequence of a snippet of length l is drawn with a probability in proportion to 210 / l."""
    data = dataset(written, observables=["body_height"])
    batch = data.batch(np.random.default_rng(0), 30_000)
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
    expected *= 30_000 / expected.sum()
    counts = np.array([drawn[key] for key in possible])
    chi_squared = np.sum((counts - expected) ** 2 / expected)  # its mean is len - 1
    assert chi_squared < 1.5 * len(possible)


def test_the_same_seed_draws_the_same(written):
    data = dataset(written)
    one, same, other = (data.batch(np.random.default_rng(seed), 8) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.observations, same.observations)
    assert not np.array_equal(one.observations, other.observations)


def test_the_memory_of_a_batch_is_used_again(written):
    data = dataset(written)
    fresh = data.batch(np.random.default_rng(1), 8)
    old = data.batch(np.random.default_rng(2), 8)
    again = data.batch(np.random.default_rng(1), 8, out=old)
    for name, array in vars(again).items():
        np.testing.assert_array_equal(array, getattr(fresh, name))
    assert again.observations is old.observations
    with pytest.raises(InputError, match=r"8 sequences .* 9"):
        data.batch(np.random.default_rng(1), 9, out=old)


def test_observations_in_parts(written):
    parts = {"ref_encoder": HIGH_LEVEL, "decoder": BASE}
    data, whole = dataset(written, observables=parts), dataset(written)
    batch, expected = (of.batch(np.random.default_rng(3), 20) for of in (data, whole))
    assert data.observables == {"ref_encoder": HIGH_LEVEL, "decoder": BASE}
    assert data.observation_size == {"ref_encoder": 1291, "decoder": 205}
    np.testing.assert_array_equal(batch.observations["ref_encoder"], expected.observations)
    np.testing.assert_array_equal(batch.observations["decoder"], expected.observations[..., :205])
    np.testing.assert_array_equal(data.observation_mean["decoder"], whole.observation_mean[:205])
    np.testing.assert_array_equal(batch.actions, expected.actions)


def test_normalised_as_the_policies_do(written, tmp_path):
    paths, metrics, _ = written
    with np.load(metrics) as archive:
        arrays = dict(archive)
    columns = columns_of(HIGH_LEVEL)
    arrays["proprio_var"][columns[:3]] = 0, 1e-12, 1e-3  # as of features that are constant, or nearly so
    np.savez(tmp_path / "metrics.npz", **arrays)
    changed = paths, tmp_path / "metrics.npz", None
    raw, data = dataset(changed), dataset(changed, normalise=True)
    normaliser = Normaliser(1291)
    normaliser.set(raw.observation_mean, raw.observation_variance)
    batch, expected = (of.batch(np.random.default_rng(3), 20) for of in (data, raw))
    np.testing.assert_array_equal(
        batch.observations, normaliser(torch.from_numpy(expected.observations)).numpy()
    )
    assert np.abs(batch.observations[..., 0]).max() == 10
    np.testing.assert_array_equal(batch.actions, expected.actions)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([parse_snippet("A_1-165-363")], ["A_1-165-363"]),
        (["A_1"], ["A_1-0-198", "A_1-165-363"]),
        (["B_2", "A_1-0-198"], ["A_1-0-198", "B_2-0-60"]),
        ("train", sorted(LENGTHS)),
    ],
)
def test_only_the_snippets_asked_for(written, asked, expected):
    data = dataset(written, snippets=asked)
    assert data.snippets == expected
    batch = data.batch(np.random.default_rng(0), 100)
    values = {name: np.concatenate([e.values for e in written[2][name]]) for name in expected}
    assert set(batch.snippets) == set(range(len(expected)))
    for number, name in enumerate(expected):
        assert np.isin(batch.values[batch.snippets == number], values[name]).all()


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


def test_the_shares_of_steps_are_those_of_all_sequences(written):
    data = dataset(written)
    for snippet, values, advantages, shares in data.steps():
        episodes = written[2][data.snippets[snippet]]
        np.testing.assert_array_equal(values, np.concatenate([e.values for e in episodes]))
        np.testing.assert_array_equal(advantages, np.concatenate([e.advantages for e in episodes]))
        counts = [np.zeros(len(episode)) for episode in episodes]
        for count in counts:
            for t in range(len(count) - SEQUENCE + 1):
                count[t : t + SEQUENCE] += data.snippet_weights[snippet]
        np.testing.assert_allclose(shares, np.concatenate(counts))


def test_a_snippet_with_short_episodes_only_is_left_out_with_a_warning(written, caplog):
    with caplog.at_level(logging.WARNING):
        data = dataset(written, sequence=12)
    assert data.snippets == ["A_1-0-198", "B_2-0-60"]
    assert "A_1-165-363" in caplog.text
    assert data.n_sequences == 1 + 19


def test_bad_input_is_told(written, tmp_path):
    with pytest.raises(InputError, match=r"A_1-0-199 .* the nearest .* A_1-0-198"):
        dataset(written, snippets=["A_1-0-199"])
    with pytest.raises(InputError, match=r"joint_pos.*joints_pos"):
        dataset(written, observables=["joint_pos"])
    with pytest.raises(InputError, match="no observable"):
        dataset(written, observables=[])
    with pytest.raises(InputError, match="cannot be called actions"):
        dataset(written, observables={"actions": BASE})
    with pytest.raises(InputError, match="31 steps of a training sequence"):
        dataset(written, sequence=31)
    with pytest.raises(InputError, match=r"A_1-0-198 is in two"):
        dataset((written[0] + written[0][:1], *written[1:]))


def test_metrics_of_other_rollouts_are_refused(written, tmp_path):
    longer = LENGTHS | {"A_1-0-198": [12, 7, 9, 5]}
    _, metrics, _ = write_synthetic_dataset(tmp_path, longer, n_start=2)
    data = dataset((written[0], metrics, None))
    with pytest.raises(InputError, match=r"33 values of A_1-0-198.* 32 steps"):
        list(data.steps())
    _, metrics, _ = write_synthetic_dataset(tmp_path, {"B_2-0-60": [4, 5]})
    with pytest.raises(InputError, match=r"knows nothing of snippet A_1-0-198"):
        dataset((written[0], metrics, None))
