"""Metrics of the dataset against direct computation over all rollouts at once."""

import itertools
import json
import pickletools
import zipfile

import h5py
import numpy as np
import pytest

from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.measure import measure_rollouts, read_clip_metrics
from mocapact_core.rollouts.metrics import merge_metrics, read_dataset_metrics, write_dataset_metrics
from tests.rollouts.synthetic import write_synthetic_dataset, write_synthetic_rollouts

LENGTHS = {
    "A_1-0-198": [12, 7, 9],
    "A_1-165-363": [5, 8, 11],
    "B_2-0-60": [3, 30, 1],
    "C_3-0-90": [2, 4, 6],
}
ROWS = {"proprio": "observations", "act": "actions", "mean_act": "mean_actions"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """(rollout paths, metrics path, episodes by snippet)"""
    return write_synthetic_dataset(tmp_path_factory.mktemp("rollouts"), LENGTHS)


@pytest.fixture(scope="module")
def measured(dataset):
    """The metrics of each rollout file."""
    return sorted(dataset[1].with_suffix("").glob("*.npz"))


@pytest.fixture(scope="module")
def published(dataset):
    return dataset[1].with_name("dataset_metrics.npz")


def merge(paths, folder):
    folder.mkdir(exist_ok=True)
    merge_metrics(paths, folder / "metrics.npz", folder / "published.npz")
    return folder / "metrics.npz"


# ---- What the metrics are


@pytest.mark.parametrize("name, field", ROWS.items())
def test_statistics_equal_a_direct_computation(dataset, name, field):
    _, metrics, episodes = dataset
    statistics = read_dataset_metrics(metrics).statistics
    rows = np.concatenate([getattr(episode, field) for of in episodes.values() for episode in of])
    rows = rows.astype(np.float64)
    np.testing.assert_allclose(statistics[f"{name}_mean"], rows.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(statistics[f"{name}_var"], rows.var(axis=0), rtol=1e-9)


def test_count_is_the_number_of_observations(dataset):
    count = read_dataset_metrics(dataset[1]).statistics["count"]
    assert count == sum(steps + 1 for lengths in LENGTHS.values() for steps in lengths)


def test_snippets_have_their_returns_values_and_advantages(dataset):
    """One episode from the start and two RSI ones: all count alike."""
    _, path, episodes = dataset
    metrics = read_dataset_metrics(path)
    assert list(metrics.snippet_returns) == sorted(LENGTHS)
    for snippet, of in episodes.items():
        returns = [episode.rewards.astype(np.float64).sum() / 200 for episode in of]
        np.testing.assert_allclose(metrics.snippet_returns[snippet], np.mean(returns), rtol=1e-6)
        np.testing.assert_array_equal(metrics.values[snippet], np.concatenate([e.values for e in of]))
        np.testing.assert_array_equal(metrics.advantages[snippet], np.concatenate([e.advantages for e in of]))


def test_metrics_of_a_clip_tell_numbers_of_episodes_and_where_they_come_from(tmp_path):
    rollouts, output = tmp_path / "A.hdf5", tmp_path / "A.npz"
    write_synthetic_rollouts(rollouts, {"A-0-60": [3, 5, 4, 1], "A-50-90": [2, 2, 9, 9]}, n_start=3)
    measure_rollouts(rollouts, output)
    assert json.loads(str(np.load(output)["provenance"]))["origin"] is None
    with h5py.File(rollouts, "r+") as file:
        file.attrs["provenance"] = json.dumps({"seed": 7})
    measure_rollouts(rollouts, output)
    assert json.loads(str(np.load(output)["provenance"]))["origin"] == {"seed": 7}
    metrics = read_clip_metrics(output)
    assert {name: snippet.episodes for name, snippet in metrics.snippets.items()} == {
        "A-0-60": 4,
        "A-50-90": 4,
    }
    assert metrics.statistics.observations.count == metrics.statistics.actions.count + 8


# ---- Merging


def test_merging_reads_no_rollouts(tmp_path):
    """A clip that was collected again changes what it must, though the rollouts of the others are gone."""
    paths, metrics, before = write_synthetic_dataset(tmp_path, LENGTHS)
    measured = [tmp_path / "metrics" / f"{path.stem}.npz" for path in paths]
    for path in paths:
        path.unlink()
    new = write_synthetic_rollouts(paths[1], {"B_2-0-60": [20, 2, 8]}, n_start=1, seed=99)
    measure_rollouts(paths[1], measured[1])
    merge_metrics(measured, metrics, tmp_path / "dataset_metrics.npz")
    rows = np.concatenate([e.observations for of in (before | new).values() for e in of]).astype(np.float64)
    statistics = read_dataset_metrics(metrics).statistics
    np.testing.assert_allclose(statistics["proprio_var"], rows.var(axis=0), rtol=1e-9)
    assert statistics["count"] == len(rows)


def test_the_order_of_files_does_not_matter(dataset, measured, published, tmp_path):
    provenance_too = {sha256(dataset[1])}
    for order in itertools.permutations(measured):
        provenance_too.add(sha256(merge(order, tmp_path)))
        assert sha256(tmp_path / "published.npz") == sha256(published)
    assert len(provenance_too) == 1


def test_the_way_that_episodes_are_grouped_into_files_does_not_matter(dataset, tmp_path):
    """All snippets in one file, against a file a clip."""
    paths, metrics, _ = dataset
    with h5py.File(tmp_path / "all.hdf5", "w") as together:
        for path in paths:
            with h5py.File(path) as file:
                for name in file:
                    if name not in together:
                        file.copy(name, together)
    one = read_dataset_metrics(write_dataset_metrics([tmp_path / "all.hdf5"], tmp_path))
    many = read_dataset_metrics(metrics)
    for name in layout.STATISTICS:
        np.testing.assert_allclose(one.statistics[name], many.statistics[name], rtol=1e-12, atol=1e-14)
    assert one.snippet_returns == many.snippet_returns
    np.testing.assert_equal((one.values, one.advantages), (many.values, many.advantages))


def test_files_are_reproducible(dataset, measured, published, tmp_path):
    again = write_dataset_metrics(dataset[0], tmp_path)
    assert sha256(again) == sha256(dataset[1])
    assert sha256(tmp_path / "dataset_metrics.npz") == sha256(published)
    for path in measured:
        assert sha256(tmp_path / "metrics" / path.name) == sha256(path)


def test_our_files_are_free_of_pickles_and_tell_their_provenance(dataset, measured):
    for path in (dataset[1], *measured):
        with np.load(path, allow_pickle=False) as archive:
            assert all(archive[name].dtype != object for name in archive.files)
    with np.load(dataset[1], allow_pickle=False) as archive:
        assert {*layout.STATISTICS, "snippet_returns", "values", "advantages"} < set(archive.files)
        inputs = json.loads(str(archive["provenance"]))["inputs"]
        assert inputs == {path.stem: sha256(path) for path in measured}


# ---- The published file


@pytest.mark.filterwarnings("error")
def test_the_published_file_is_read_as_mocapact_does(dataset, published):
    metrics = read_dataset_metrics(dataset[1])
    archive = np.load(published, allow_pickle=True)
    assert set(archive) == {*layout.STATISTICS, "snippet_returns", "values", "advantages"}
    assert archive["snippet_returns"].item() == metrics.snippet_returns
    for name in ("values", "advantages"):
        content = archive[name].item()
        assert all(array.dtype == np.float32 for array in content.values())
        np.testing.assert_equal(content, getattr(metrics, name))
    for name in layout.STATISTICS[:-1]:
        assert archive[name].dtype == np.float32
        np.testing.assert_array_equal(archive[name], metrics.statistics[name].astype(np.float32))
    assert archive["count"] == metrics.statistics["count"]


def test_the_published_file_names_what_every_numpy_has(published):
    with zipfile.ZipFile(published) as archive:
        for name in ("snippet_returns", "values", "advantages"):
            content = archive.read(f"{name}.npy")
            pickled = content[128:]  # behind the header
            named = {argument for code, argument, _ in pickletools.genops(pickled) if code.name == "GLOBAL"}
            assert named == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
            assert b"numpy._core" not in content


def test_the_published_file_is_read_without_running_its_pickles(dataset, published):
    ours, theirs = read_dataset_metrics(dataset[1]), read_dataset_metrics(published)
    assert theirs.snippet_returns == ours.snippet_returns
    np.testing.assert_equal((theirs.values, theirs.advantages), (ours.values, ours.advantages))
    for name in layout.STATISTICS:
        np.testing.assert_allclose(theirs.statistics[name], ours.statistics[name], rtol=1e-7)
        assert theirs.statistics[name].dtype == ours.statistics[name].dtype
    assert type(theirs.values["B_2-0-60"]) is np.ndarray


def as_mocapact_writes_it(path, **changes):
    """With numpy's own writer; returns are scalars of numpy."""
    content = {
        **dict.fromkeys(layout.STATISTICS[:-1], np.ones(3, np.float32)),
        "count": 12,
        "snippet_returns": {"B-0-60": np.float32(0.5), "A-0-60": np.float64(0.25)},
        "values": {name: np.arange(4, dtype=np.float32) for name in ("B-0-60", "A-0-60")},
        "advantages": {name: np.zeros(4) for name in ("B-0-60", "A-0-60")},
    }
    np.savez(path, **(content | changes))
    return path


def test_a_file_of_mocapact_is_read(tmp_path):
    metrics = read_dataset_metrics(as_mocapact_writes_it(tmp_path / "dataset_metrics.npz"))
    assert metrics.snippet_returns == {"A-0-60": 0.25, "B-0-60": 0.5}
    assert metrics.statistics["count"] == 12
    assert metrics.advantages["A-0-60"].dtype == np.float32
    np.testing.assert_array_equal(metrics.values["B-0-60"], np.arange(4))


@pytest.mark.parametrize(
    "changes",
    [
        {"values": {"A-0-60": np.zeros(4)}},
        {"values": {"A-0-60": np.zeros(4), "B-0-60": np.zeros(3)}},
        {"values": {"A-0-60": np.zeros(4), "B-0-60": np.zeros((4, 1))}},
        {"values": {"A-0-60": np.zeros(4), "B-0-60": [0.0] * 4}},
        {"values": {"A-0-60": np.zeros(4), "B-0-60": np.array([None] * 4)}},
        {"values": {"A-0-60": np.zeros(4), "B-0-60": np.array({})}},
        {"values": np.zeros(4)},
        {"values": [1]},
        {"snippet_returns": {"A-0-60": "0.5", "B-0-60": 0.5}},
        {"snippet_returns": {"A-0-60": 10**400, "B-0-60": 0.5}},
        {"snippet_returns": np.array([{}, {}])},
        {"proprio_mean": {"A-0-60": 0.5}},
        {"proprio_mean": np.array(["text"])},
        {"count": None},
    ],
)
def test_a_file_that_tells_something_else_is_refused(tmp_path, changes):
    with pytest.raises(InputError, match=r"published.npz cannot be read as"):
        read_dataset_metrics(as_mocapact_writes_it(tmp_path / "published.npz", **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"snippets": {}},
        {"snippets": np.array(["A_1-0-198"])},
        {"snippet_steps": np.zeros(0, int)},
        {"snippet_steps": np.ones(4, int)},
        {"values": np.zeros(3)},
        {"proprio_mean": np.array(["text"])},
    ],
)
def test_a_file_of_ours_that_tells_something_else_is_refused(dataset, tmp_path, changes):
    np.savez(tmp_path / "changed.npz", **(dict(np.load(dataset[1])) | changes))
    with pytest.raises(InputError, match=r"changed.npz cannot be read as the metrics of a dataset"):
        read_dataset_metrics(tmp_path / "changed.npz")


@pytest.mark.filterwarnings("ignore")
def test_whatever_is_changed_in_a_file_it_is_refused_or_read(tmp_path):
    """Bytes of its members, behind the back of the checksums."""
    with zipfile.ZipFile(as_mocapact_writes_it(tmp_path / "whole.npz")) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        name = rng.choice(["snippet_returns.npy", "values.npy", "proprio_mean.npy"])
        content = bytearray(members[name])
        for place in rng.integers(len(content), size=rng.integers(1, 4)):
            content[place] = rng.integers(256)
        with zipfile.ZipFile(tmp_path / "changed.npz", "w") as archive:
            for member, unchanged in members.items():
                archive.writestr(member, bytes(content) if member == name else unchanged)
        try:
            metrics = read_dataset_metrics(tmp_path / "changed.npz")
        except InputError:
            refused += 1
        else:
            assert all(array.dtype == np.float32 for array in metrics.values.values())
    assert refused > 50


# ---- Bad input


def test_bad_input_is_told(dataset, measured, tmp_path):
    paths, metrics, _ = dataset
    with pytest.raises(InputError, match="No rollout file"):
        write_dataset_metrics([], tmp_path)
    with pytest.raises(InputError, match="same name"):
        write_dataset_metrics([paths[0], paths[0]], tmp_path)
    with pytest.raises(InputError, match="A_1-0-198 is in two"):
        merge([*measured, measured[0]], tmp_path)
    with pytest.raises(InputError, match="measure_rollouts makes it"):
        merge([tmp_path / "none.npz"], tmp_path)
    with pytest.raises(InputError, match="cannot be read as the metrics of a rollout file"):
        merge([metrics], tmp_path)
    assert not any(tmp_path.iterdir())
    with pytest.raises(InputError, match="compute_dataset_metrics makes it"):
        read_dataset_metrics(tmp_path / "x.npz")
    with pytest.raises(InputError, match="cannot be read as the metrics of a dataset"):
        read_dataset_metrics(measured[0])


@pytest.mark.parametrize("part", [0, 1, 1000, -1])
def test_files_that_were_cut_off_are_told(dataset, measured, published, tmp_path, part):
    cut = tmp_path / "cut.npz"
    for path, read in (
        (dataset[1], read_dataset_metrics),
        (published, read_dataset_metrics),
        (measured[0], read_clip_metrics),
    ):
        cut.write_bytes(path.read_bytes()[:part])
        with pytest.raises(InputError, match=r"cut.npz cannot be read"):
            read(cut)


@pytest.mark.parametrize("name", ["observations/proprioceptive", "mean_actions", "values"])
def test_numbers_that_are_not_finite_are_told(tmp_path, name):
    write_synthetic_rollouts(tmp_path / "A.hdf5", {"A-0-60": [3, 5]}, n_start=1)
    with h5py.File(tmp_path / "A.hdf5", "r+") as file:
        file[f"A-0-60/1/{name}"][2] = np.nan
    with pytest.raises(InputError, match="episode 1 of A-0-60 has numbers that are not finite"):
        measure_rollouts(tmp_path / "A.hdf5", tmp_path / "A.npz")
    assert not (tmp_path / "A.npz").exists()


def test_snippets_without_a_return_are_told(tmp_path):
    write_synthetic_rollouts(tmp_path / "A.hdf5", {"A-0-60": [3, 5]}, n_start=1)
    with h5py.File(tmp_path / "A.hdf5", "r+") as file:
        file["A-0-60/rsi_metrics/norm_episode_returns"][0] = np.nan
    with pytest.raises(InputError, match="A-0-60, or one whose return is not finite"):
        measure_rollouts(tmp_path / "A.hdf5", tmp_path / "A.npz")
    with h5py.File(tmp_path / "A.hdf5", "r+") as file:
        file["n_start_rollouts"][()] = file["n_rsi_rollouts"][()] = 0
        for name in ("early_termination", *itertools.product(("start", "rsi"), layout.METRICS)):
            path = name if isinstance(name, str) else "{}_metrics/{}".format(*name)
            del file[f"A-0-60/{path}"]
            file[f"A-0-60/{path}"] = np.zeros(0)
    with pytest.raises(InputError, match="has no episode of A-0-60"):
        measure_rollouts(tmp_path / "A.hdf5", tmp_path / "A.npz")


@pytest.mark.parametrize("name", ["ref_steps", "observable_indices/walker/joints_pos"])
def test_files_that_show_something_else_do_not_mix(tmp_path, name):
    for clip in "AB":
        write_synthetic_rollouts(tmp_path / f"{clip}.hdf5", {f"{clip}-0-60": [3]}, n_start=1)
    with h5py.File(tmp_path / "B.hdf5", "r+") as file:
        file[name][:] = file[name][:] + 1
    with pytest.raises(InputError, match=f"B.npz does not fit .*A.npz: {name.split('/')[-1]} differ"):
        write_dataset_metrics([tmp_path / "A.hdf5", tmp_path / "B.hdf5"], tmp_path)
    assert not (tmp_path / "metrics.npz").exists()
