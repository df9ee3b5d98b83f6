"""Restored observables against those of the file that was never without them."""

import h5py
import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.clips.trajectory import read_trajectory, write_trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.rotations import axis_angle_to_quat, quat_to_matrix
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.recorded import recorded_qpos
from mocapact_core.rollouts.restore import restore, restore_file
from mocapact_core.tasks.references import References
from tests.rollouts.conftest import TURN


@pytest.fixture(scope="module")
def restored(recorded, tmp_path_factory):
    path = tmp_path_factory.mktemp("restored") / "turn.hdf5"
    restore_file(recorded.compact, recorded.clip, path)
    return path


def arrays(path):
    """Every array of a file by its name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {})
        )
    return found


def test_a_restored_file_is_the_full_one(recorded, restored):
    expected, found = arrays(recorded.full), arrays(restored)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        assert array.dtype == found[name].dtype and array.shape == found[name].shape
        if name.endswith("proprioceptive"):
            error = np.abs(array - found[name]) / np.maximum(1, np.abs(array))
            assert error.max() < 1e-6, name
        elif name.startswith("stats/proprio"):
            np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(found[name], array)


def test_what_was_recorded_is_kept_to_the_bit(recorded, restored):
    with layout.open_rollouts(recorded.compact) as compact, layout.open_rollouts(restored) as full:
        for name, columns in layout.observable_columns(compact).items():
            both = layout.observable_columns(full)[name]
            for snippet in TURN:
                kept = layout.read_episode(compact, snippet.name, 4).observations[:, columns]
                again = layout.read_episode(full, snippet.name, 4).observations[:, both]
                np.testing.assert_array_equal(kept, again)
        assert compact.attrs["provenance"] == full.attrs["provenance"]


def test_the_motion_of_the_test_needs_the_sign_of_the_quaternion(recorded):
    """Otherwise the tests above would pass without it."""
    with layout.open_rollouts(recorded.full) as file:
        columns = layout.observable_columns(file)
        w = [
            recorded_qpos(episode.observations, columns, np.array([-1.0, 0, 0, 0]))[:, 3]
            for snippet in TURN
            for episode in layout.read_episodes(file, snippet.name)
        ]
    assert min(one.min() for one in w) < -0.1


def test_the_sign_is_carried_through_any_turn():
    angles = np.linspace(0, 20, 300)[:, None]
    quaternions = axis_angle_to_quat(angles * np.array([0.48, 0.6, 0.64]))
    observations = np.concatenate([quat_to_matrix(quaternions).reshape(-1, 9), np.zeros((300, 59))], axis=1)
    columns = {
        "orientation": np.arange(9),
        "position": np.arange(9, 12),
        "joints_pos": np.arange(12, 68),
    }
    for sign in (1, -1):
        qpos = recorded_qpos(observations, columns, sign * quaternions[0])
        np.testing.assert_allclose(qpos[:, 3:7], sign * quaternions, atol=1e-12)


def test_some_observables_in_the_order_asked(recorded):
    trajectory = read_trajectory(recorded.clip)
    snippet = TURN[1].name
    names = ["reference_rel_root_quat", "joints_pos", "reference_rel_bodies_pos_local"]
    with layout.open_rollouts(recorded.compact) as compact, layout.open_rollouts(recorded.full) as full:
        columns = np.concatenate(list(layout.observable_columns(full, names).values()))
        found = restore(
            layout.read_episode(compact, snippet, 5).observations,
            layout.observable_columns(compact),
            References.of_snippets([parse_snippet(snippet)], trajectory),
            [1, 2, 3, 4, 5],
            names,
        )
        expected = layout.read_episode(full, snippet, 5).observations[:, columns]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_bad_input_is_told_and_leaves_no_file(recorded, tmp_path):
    def fails(told, compact=recorded.compact, clip=recorded.clip):
        with pytest.raises(InputError, match=told):
            restore_file(compact, clip, tmp_path / "out.hdf5")
        assert not (tmp_path / "out.hdf5").exists()

    fails("already holds", compact=recorded.full)
    fails("There is no rollout file", compact=tmp_path / "x.hdf5")
    march = builtin_trajectory("march")
    other = {name: getattr(march, name) for name in vars(march) if name != "name"}
    write_trajectory(tmp_path / "march.h5", type(march)(name="turn", **other))
    fails(r"does not begin at step 0 of this motion.*Give the motion", clip=tmp_path / "march.h5")
    short = {name: value[:60] if name != "dt" else value for name, value in other.items()}
    write_trajectory(tmp_path / "short.h5", type(march)(name="turn", **short))
    fails(r"does not (fit|begin)", clip=tmp_path / "short.h5")
    with h5py.File(tmp_path / "less.hdf5", "w") as less, h5py.File(recorded.compact) as compact:
        for name in compact:
            compact.copy(name, less)
        del less["observable_indices/walker/orientation"]
    fails("do not hold orientation", compact=tmp_path / "less.hdf5")
