"""Rollout files read in place, whatever wrote them, against plain h5py."""

import os
import resource

import h5py
import numpy as np
import pytest

from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import HIGH_LEVEL
from mocapact_core.rollouts import layout, mapping
from mocapact_core.rollouts.dataset import RolloutDataset
from tests.rollouts.synthetic import SIZES, write_synthetic_dataset

LENGTHS = {"A_1-0-198": [12, 7, 9, 40], "B_2-0-60": [33, 30, 21, 35]}
SEQUENCE = 6
ARRAYS = ("observations", "actions", "mean_actions", "rewards", "values", "advantages")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_synthetic_dataset(tmp_path_factory.mktemp("rollouts"), LENGTHS, n_start=2)


def dataset(paths, written, sequence=SEQUENCE, **changes):
    return RolloutDataset(paths, written[1], None, HIGH_LEVEL, sequence, **changes)


def rewritten(path, target, kind=np.float32, user_block=0, **storage):
    """The same content from plain h5py; an odd number of bytes before each array leaves none aligned."""
    with h5py.File(path) as source, h5py.File(target, "w", userblock_size=user_block) as copy:

        def write(name, item):
            if not isinstance(item, h5py.Dataset):
                return
            if item.dtype != np.float32 or name.startswith("stats/"):
                copy[name] = item[()]
            else:
                copy[f"stats/odd/{name}"] = np.zeros(3, np.int8)
                copy.create_dataset(name, data=item[()].astype(kind), **storage)

        source.visititems(write)
    return target


@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"user_block": 512},
        {"chunks": True},
        {"compression": "gzip", "shuffle": True},
        {"kind": np.float64},
        {"kind": ">f4"},
        {"kind": np.float64, "compression": "lzf"},
    ],
    ids=str,
)
def test_batches_are_the_same_however_files_are_stored(written, tmp_path, storage):
    paths = [rewritten(path, tmp_path / path.name, **storage) for path in written[0]]
    batch, expected = (
        dataset(of, written, scratch=tmp_path).batch(np.random.default_rng(0), 200)
        for of in (paths, written[0])
    )
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name))
    files_used = {path.name for path in tmp_path.iterdir()}
    assert files_used == {path.name for path in paths}, "nothing else is left behind"


def test_files_of_both_kinds_in_one_dataset(written, tmp_path):
    paths = [rewritten(written[0][0], tmp_path / "A_1.hdf5", compression="gzip"), written[0][1]]
    batch, expected = (dataset(of, written).batch(np.random.default_rng(0), 99) for of in (paths, written[0]))
    assert set(batch.snippets) == {0, 1}
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name))


def test_steps_are_those_of_plain_h5py(written):
    data = dataset(written[0], written)
    columns = np.concatenate([data.index.columns[name] for name in HIGH_LEVEL])
    arrays = data.empty(1, SEQUENCE, ["observations", *ARRAYS[1:]])
    for episode in range(len(data.index.steps)):
        first = data.index.steps[episode] - SEQUENCE
        data.gather(np.array([episode]), np.array([first]), arrays)
        with h5py.File(data.index.paths[data.index.files[episode]]) as file:
            group = file[data.index.name(episode)]
            part = slice(first, first + SEQUENCE)
            observations = group["observations/proprioceptive"][part][:, columns]
            np.testing.assert_array_equal(arrays["observations"][0], observations)
            for name in ARRAYS[1:]:
                np.testing.assert_array_equal(arrays[name][0], group[name][part])


def test_steps_beyond_an_episode_are_refused(written):
    data = dataset(written[0], written)
    episode, steps = np.array([0]), data.index.steps[0]
    data.gather(episode, np.array([steps - 2]), data.empty(1, 3, data.parts))  # with the last observation
    for first, name in ((steps - 1, "observations"), (steps - 2, "rewards"), (-1, "rewards")):
        with pytest.raises(IndexError, match=f"3 steps of {name}"):
            data.gather(episode, np.array([first]), data.empty(1, 3, [name]))


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_a_truncated_file_is_an_error(written, tmp_path, share):
    path = tmp_path / "A_1.hdf5"
    path.write_bytes(written[0][0].read_bytes())
    data = dataset([path], written)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(InputError, match=r"A_1\.hdf5 was changed while"):
        data.batch(np.random.default_rng(0), 8)
    with pytest.raises(InputError, match=r"A_1\.hdf5 cannot be read as HDF5"):
        dataset([path], written)


def test_no_page_beyond_the_end_of_a_file_is_touched(written, tmp_path, monkeypatch):
    """As when a file system shows less of a file than HDF5 believes in."""
    data = dataset(written[0][:1], written)
    with layout.open_rollouts(written[0][0]) as file:
        end = file["A_1-0-198/3/advantages"].id.get_offset() + 4 * 40
    whole = mapping.mmap.mmap
    monkeypatch.setattr(mapping.mmap, "mmap", lambda fd, _, prot: whole(fd, end - 1, prot=prot))
    with pytest.raises(InputError, match=r"cut off within episode A_1-0-198/3"):
        data.batch(np.random.default_rng(0), 100)


def test_an_array_of_another_shape_is_an_error(written, tmp_path):
    path = rewritten(written[0][0], tmp_path / "A_1.hdf5")
    with h5py.File(path, "r+") as file:
        del file["A_1-0-198/3/actions"]
        file["A_1-0-198/3/actions"] = np.zeros((39, 56), np.float32)
    with pytest.raises(
        InputError, match=r"A_1-0-198/3/actions has the shape \(39, 56\) instead of \(40, 56\)"
    ):
        dataset([path], written).batch(np.random.default_rng(0), 100)
    with h5py.File(path, "r+") as file:
        del file["A_1-0-198/3/actions"]
    with pytest.raises(InputError, match=r"A_1\.hdf5 cannot be read .*actions"):
        dataset([path], written).batch(np.random.default_rng(0), 100)


def resident():
    """Bytes of files that are mapped into this process and in memory."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssFile"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """About 110 MB, the same episode again and again."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(0)
    steps, size = 240, sum(SIZES.values())
    episode = layout.Episode(
        rng.random((steps + 1, size), np.float32),
        *(rng.random((steps, 56), np.float32) for _ in range(2)),
        *(rng.random(steps, np.float32) for _ in range(3)),
    )
    metrics = layout.EpisodeMetrics(*np.full((4, 10), steps), np.zeros(10, bool))
    for clip in "ABCD":
        with h5py.File(folder / f"{clip}.hdf5", "w") as file:
            layout.write_header(file, SIZES, (1, 2, 3, 4, 5), 5, 5)
            for k in range(10):
                layout.write_episode(file, f"{clip}-0-240", k, episode)
            layout.write_metrics(file, f"{clip}-0-240", 5, metrics)
            statistics = {name: np.ones(56 if "act" in name else size) for name in layout.STATISTICS}
            layout.write_statistics(file, statistics | {"count": np.int64(2410)})
    return sorted(folder.glob("*.hdf5"))


@pytest.mark.parametrize("pack", [False, True])
def test_memory_does_not_grow_with_the_data(large, written, monkeypatch, tmp_path, pack):
    monkeypatch.setattr(
        RolloutDataset, "_read_metrics", lambda self, _: setattr(self, "snippet_returns", np.ones(4))
    )
    growth = {}
    for limit in (2**31, 2**23):
        monkeypatch.setattr(mapping, "RESIDENT_BYTES", limit)
        data = RolloutDataset(large, "", None, sorted(SIZES), 8, scratch=tmp_path, pack=pack)
        rng, before, most = np.random.default_rng(0), resident(), 0
        batch = data.batch(rng, 4)
        for _ in range(600):
            batch = data.batch(rng, 4, out=batch)
            most = max(most, resident() - before)
        growth[limit] = most
        del data
    assert growth[2**31] > 90e6, "or this test measures nothing"
    assert growth[2**23] < 2**23 + 24e6  # how much comes with a page is up to the kernel


def test_more_files_than_may_be_open(written, monkeypatch):
    limits = {"now": (10, 300)}
    monkeypatch.setattr(mapping.resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(mapping.resource, "setrlimit", lambda _, pair: limits.update(now=pair))
    dataset(written[0], written)
    assert limits["now"] == (260, 300)
    limits["now"] = (10, 257)
    with pytest.raises(InputError, match="2 rollout files cannot be open at once, as a process may open 257"):
        dataset(written[0], written)
    limits["now"] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    dataset(written[0], written)


def test_scratch_must_be_a_folder(written, tmp_path):
    with pytest.raises(InputError, match=r"unpacked in .*nowhere.*scratch"):
        dataset(written[0], written, scratch=tmp_path / "nowhere", pack=True).batch(
            np.random.default_rng(0), 1
        )
