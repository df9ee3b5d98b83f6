"""Rollout files against what is known of the published ones."""

import h5py
import numpy as np
import pytest

from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.rollouts import layout
from tests.rollouts.synthetic import SIZES, write_synthetic_rollouts

LENGTHS = {"CMU_009_12-0-198": [12, 7, 9], "CMU_009_12-165-363": [5, 8, 11]}


@pytest.fixture
def rollouts(tmp_path):
    path = tmp_path / "CMU_009_12.hdf5"
    return path, write_synthetic_rollouts(path, LENGTHS, n_start=1)


def test_names_types_and_shapes_are_the_published_ones(rollouts):
    path, _ = rollouts
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: (item.dtype.name, item.shape)})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    expected = {
        "n_rsi_rollouts": ("int64", ()),
        "n_start_rollouts": ("int64", ()),
        "ref_steps": ("int64", (5,)),
        "stats/count": ("int64", ()),
        **{f"stats/proprio_{kind}": ("float32", (2868,)) for kind in ("mean", "var")},
        **{
            f"stats/{of}_{kind}": ("float32", (56,)) for of in ("act", "mean_act") for kind in ("mean", "var")
        },
        **{f"observable_indices/walker/{name}": ("int64", (size,)) for name, size in SIZES.items()},
    }
    for snippet, lengths in LENGTHS.items():
        expected[f"{snippet}/early_termination"] = ("bool", (3,))
        for part, n in (("start", 1), ("rsi", 2)):
            expected[f"{snippet}/{part}_metrics/episode_returns"] = ("float32", (n,))
            expected[f"{snippet}/{part}_metrics/episode_lengths"] = ("int64", (n,))
            expected[f"{snippet}/{part}_metrics/norm_episode_returns"] = ("float64", (n,))
            expected[f"{snippet}/{part}_metrics/norm_episode_lengths"] = ("float64", (n,))
        for k, steps in enumerate(lengths):
            expected[f"{snippet}/{k}/observations/proprioceptive"] = ("float32", (steps + 1, 2868))
            for name in ("actions", "mean_actions"):
                expected[f"{snippet}/{k}/{name}"] = ("float32", (steps, 56))
            for name in ("rewards", "values", "advantages"):
                expected[f"{snippet}/{k}/{name}"] = ("float32", (steps,))
    assert found == expected


def test_columns_are_those_the_paper_prints(rollouts):
    with layout.open_rollouts(rollouts[0]) as file:
        columns = layout.observable_columns(file)
    assert columns["actuator_activation"].tolist() == list(range(56))
    assert columns["appendages_pos"].tolist() == list(range(56, 71))
    assert columns["body_height"].tolist() == [71]
    assert columns["world_zaxis"].tolist() == [2865, 2866, 2867]


def test_what_is_written_is_read(rollouts):
    path, content = rollouts
    with layout.open_rollouts(path) as file:
        assert layout.snippet_names(file) == sorted(LENGTHS)
        for snippet, episodes in content.items():
            assert layout.episode_lengths(file, snippet).tolist() == LENGTHS[snippet]
            metrics = layout.read_metrics(file, snippet)
            np.testing.assert_allclose(metrics.norm_episode_lengths, np.array(LENGTHS[snippet]) / 200)
            for written, read in zip(episodes, layout.read_episodes(file, snippet), strict=True):
                for name, array in vars(written).items():
                    np.testing.assert_array_equal(getattr(read, name), array)


def test_equal_content_is_equal_bytes(tmp_path):
    for name in ("a.hdf5", "b.hdf5"):
        write_synthetic_rollouts(tmp_path / name, LENGTHS, n_start=1)
    assert sha256(tmp_path / "a.hdf5") == sha256(tmp_path / "b.hdf5")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_off_is_named(rollouts, share):
    path, _ = rollouts
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"CMU_009_12.hdf5.*cut off"), layout.open_rollouts(path):
        pass


@pytest.mark.parametrize(
    "damage, told",
    [
        ("stats/act_var", "stats/act_var"),
        ("ref_steps", "ref_steps"),
        ("CMU_009_12-0-198/2", "no episode 2"),
        ("CMU_009_12-0-198/rsi_metrics/episode_lengths", "rsi_metrics/episode_lengths"),
        ("CMU_009_12-0-198/early_termination", "early_termination"),
    ],
)
def test_a_missing_part_is_named(rollouts, damage, told):
    path, _ = rollouts
    with h5py.File(path, "r+") as file:
        del file[damage]
    with pytest.raises(InputError, match=told), layout.open_rollouts(path):
        pass


def test_a_missing_file_and_a_foreign_file_are_named(tmp_path):
    with (
        pytest.raises(InputError, match="There is no rollout file"),
        layout.open_rollouts(tmp_path / "x.hdf5"),
    ):
        pass
    with h5py.File(tmp_path / "clip.h5", "w") as file:
        file["CMU_009_12/walkers/walker_0/joints"] = np.zeros((56, 10))
    with pytest.raises(InputError, match="not a rollout file"), layout.open_rollouts(tmp_path / "clip.h5"):
        pass


def test_arrays_of_unequal_length_are_named(rollouts):
    path, _ = rollouts
    with h5py.File(path, "r+") as file:
        del file["CMU_009_12-0-198/1/values"]
        file["CMU_009_12-0-198/1/values"] = np.zeros(3, np.float32)
    with (
        layout.open_rollouts(path) as file,
        pytest.raises(InputError, match=r"episode 1 of CMU_009_12-0-198.*\(3, 7 steps\)"),
    ):
        list(layout.read_episodes(file, "CMU_009_12-0-198"))


def test_an_unknown_observable_is_told_with_the_nearest(rollouts):
    with layout.open_rollouts(rollouts[0]) as file, pytest.raises(InputError, match=r"joint_pos.*joints_pos"):
        layout.observable_columns(file, ["joint_pos"])
