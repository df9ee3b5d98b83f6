"""Statistics against direct computation over all rows at once."""

import json
from pathlib import Path

import numpy as np
import pytest

from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.statistics import Moments, read_dataset_metrics, write_dataset_metrics
from tests.rollouts.synthetic import write_synthetic_dataset, write_synthetic_rollouts

LENGTHS = {"A_1-0-198": [12, 7, 9], "A_1-165-363": [5, 8, 11], "B_2-0-60": [3, 30, 1]}
ROWS = {"proprio": "observations", "act": "actions", "mean_act": "mean_actions"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_synthetic_dataset(tmp_path_factory.mktemp("rollouts"), LENGTHS)


def all_rows(episodes, name):
    rows = [getattr(episode, name) for of_snippet in episodes.values() for episode in of_snippet]
    return np.concatenate(rows).astype(np.float64)


@pytest.mark.parametrize("name, field", ROWS.items())
def test_metrics_equal_a_direct_computation(dataset, name, field):
    _, metrics_path, episodes = dataset
    statistics = read_dataset_metrics(metrics_path).statistics
    rows = all_rows(episodes, field)
    np.testing.assert_allclose(statistics[f"{name}_mean"], rows.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(statistics[f"{name}_var"], rows.var(axis=0), rtol=1e-9)


def test_count_is_the_number_of_observations(dataset):
    count = read_dataset_metrics(dataset[1]).statistics["count"]
    assert count == sum(steps + 1 for lengths in LENGTHS.values() for steps in lengths)


def test_statistics_of_a_file_are_those_of_its_own_episodes(dataset):
    paths, _, episodes = dataset
    own = {snippet: of for snippet, of in episodes.items() if snippet.startswith("A_1")}
    with layout.open_rollouts(paths[0]) as file:
        for name, field in ROWS.items():
            rows = all_rows(own, field)
            np.testing.assert_allclose(file[f"stats/{name}_mean"], rows.mean(axis=0), rtol=2e-7, atol=1e-9)
            np.testing.assert_allclose(file[f"stats/{name}_var"], rows.var(axis=0), rtol=2e-7)


def test_snippets_have_their_returns_values_and_advantages(dataset):
    _, metrics_path, episodes = dataset
    metrics = read_dataset_metrics(metrics_path)
    assert list(metrics.snippet_returns) == sorted(LENGTHS)
    for snippet, of in episodes.items():
        returns = [episode.rewards.astype(np.float64).sum() / 200 for episode in of]
        np.testing.assert_allclose(metrics.snippet_returns[snippet], np.mean(returns), rtol=1e-6)
        np.testing.assert_array_equal(metrics.values[snippet], np.concatenate([e.values for e in of]))
        np.testing.assert_array_equal(metrics.advantages[snippet], np.concatenate([e.advantages for e in of]))


def test_the_file_is_reproducible_and_free_of_pickles(dataset, tmp_path):
    paths, metrics_path, _ = dataset
    write_dataset_metrics(paths, tmp_path / "again.npz")
    assert sha256(tmp_path / "again.npz") == sha256(metrics_path)
    with np.load(metrics_path, allow_pickle=False) as archive:
        published = {*layout.STATISTICS, "snippet_returns", "values", "advantages"}
        assert set(archive.files) == published | {"snippets", "snippet_steps", "provenance"}
        assert all(archive[name].dtype != object for name in archive.files)
        inputs = json.loads(str(archive["provenance"]))["inputs"]
        assert inputs == {Path(path).stem: sha256(path) for path in paths}


def test_moments_survive_a_large_mean():
    """Where E[x^2] - E[x]^2 loses most of its digits."""
    rows = 1e3 + 1e-3 * np.random.default_rng(0).standard_normal((1000, 3))
    merged = sum((Moments.of(part) for part in np.split(rows, [10, 400])[1:]), Moments.of(rows[:10]))
    np.testing.assert_allclose(merged.variance, rows.var(axis=0), rtol=1e-9)
    assert not np.allclose(
        (rows**2).mean(axis=0) - rows.mean(axis=0) ** 2, rows.var(axis=0), rtol=1e-6, atol=0
    )


def test_bad_input_is_told(dataset, tmp_path):
    paths, metrics_path, _ = dataset
    with pytest.raises(InputError, match="No rollout file"):
        write_dataset_metrics([], tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"A_1-0-198 is in two"):
        write_dataset_metrics([paths[0], paths[0]], tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()
    with pytest.raises(InputError, match="There is no"):
        read_dataset_metrics(tmp_path / "x.npz")
    (tmp_path / "cut.npz").write_bytes(metrics_path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cut.npz cannot be read"):
        read_dataset_metrics(tmp_path / "cut.npz")


def test_a_published_file_with_pickles_is_refused(tmp_path):
    np.savez(tmp_path / "published.npz", count=1, snippet_returns={"CMU_009_12-0-198": 0.8})
    with pytest.raises(InputError, match="pickled objects"):
        read_dataset_metrics(tmp_path / "published.npz")


def test_files_of_other_reference_steps_do_not_mix(tmp_path):
    import h5py

    for clip in "AB":
        write_synthetic_rollouts(tmp_path / clip, {f"{clip}-0-60": [3]}, n_start=1)
    with h5py.File(tmp_path / "B", "r+") as file:
        file["ref_steps"][:] = (2, 3, 4, 5, 6)
    with pytest.raises(InputError, match="ref_steps differ"):
        write_dataset_metrics([tmp_path / "A", tmp_path / "B"], tmp_path / "x.npz")
