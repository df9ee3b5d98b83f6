"""Files of trajectories, read and written, against dm_control's own loader."""

import dataclasses
import json
import shutil
import time

import h5py
import numpy as np
import pytest
from dm_control.locomotion.mocap import loader

from mocapact_core.clips.kinematics import trajectory_from_motion
from mocapact_core.clips.trajectory import (
    DT,
    SHAPES,
    clip_lengths,
    clip_names,
    gather_clips,
    read_trajectory,
    write_trajectory,
)
from mocapact_core.errors import InputError


@pytest.fixture(scope="module")
def trajectory():
    n_frames = 12
    rng = np.random.default_rng(1)
    position = np.array([0.0, 0.0, 1.1]) + 0.01 * rng.standard_normal((n_frames, 3)).cumsum(axis=0)
    quaternion = np.array([1.0, 1.0, 0.0, 0.0]) + 0.02 * rng.standard_normal((n_frames, 4)).cumsum(axis=0)
    joints = 0.02 * rng.standard_normal((n_frames, 56)).cumsum(axis=0)
    return trajectory_from_motion("wander", position, quaternion, joints)


@pytest.fixture
def path(trajectory, tmp_path):
    write_trajectory(tmp_path / "wander.h5", trajectory, {"made": "by hand"})
    return tmp_path / "wander.h5"


def edited(path, change):
    """A copy of the file with a change made to its only clip."""
    copy = path.with_name("edited.h5")
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        change(file["wander"])
    return copy


def dm_control_arrays(path, clip, **cut):
    part = loader.HDF5TrajectoryLoader(str(path)).get_trajectory(clip, zero_out_velocities=False, **cut)
    return part, {name.removeprefix("walker/"): array for name, array in part.as_dict().items()}


def assert_same(trajectory, arrays):
    assert sorted(arrays) == sorted(SHAPES)
    for name in SHAPES:
        np.testing.assert_array_equal(getattr(trajectory, name), arrays[name], err_msg=name)


def test_dm_control_reads_what_we_write(path, trajectory):
    theirs, arrays = dm_control_arrays(path, "wander")
    assert (theirs.identifier, theirs.dt) == ("wander", DT)
    assert_same(trajectory, arrays)


def test_the_file_tells_its_provenance(path):
    with h5py.File(path) as file:
        assert file.attrs["provenance"] == '{"made": "by hand"}'
        assert list(file) == clip_names(path) == ["wander"]


def test_dm_control_tracks_what_we_write(path, trajectory):
    """Its task refuses a file of another model, and bodies that are not where the joints put them."""
    from dm_control import composer
    from dm_control.locomotion.arenas import floors
    from dm_control.locomotion.tasks.reference_pose import tracking, types
    from dm_control.locomotion.walkers import cmu_humanoid

    task = tracking.MultiClipMocapTracking(
        walker=cmu_humanoid.CMUHumanoidPositionControlledV2020,
        arena=floors.Floor((8, 8)),
        ref_path=str(path),
        dataset=types.ClipCollection(ids=("wander",)),
        ref_steps=(1,),
        min_steps=1,
    )
    environment = composer.Environment(task, random_state=np.random.RandomState(1))
    environment.reset()
    start = task._time_step
    np.testing.assert_allclose(environment.physics.data.qpos, trajectory.qpos()[start], atol=1e-12)
    np.testing.assert_allclose(environment.physics.data.qvel, trajectory.qvel()[start], atol=1e-12)


def test_we_read_what_dm_control_reads(motion_file):
    ours = read_trajectory(motion_file, "CMU_049_18")
    theirs, arrays = dm_control_arrays(motion_file, "CMU_049_18")
    assert (ours.name, ours.dt, len(ours)) == (theirs.identifier, theirs.dt, theirs.num_steps)
    assert_same(ours, arrays)


@pytest.mark.parametrize("start, end", [(3, 7), (5, 5), (2, 11), (2, 400), (30, 40)])
def test_segments_are_dm_controls(path, trajectory, start, end):
    part = trajectory.segment(start, end)
    theirs, arrays = dm_control_arrays(path, "wander", start_step=start, end_step=end)
    assert len(part) == theirs.num_steps
    assert_same(part, arrays)


def test_segments_are_named_like_snippets(trajectory):
    assert trajectory.segment(3, 7).name == "wander-3-7"
    assert trajectory.segment(3, 7).n_steps == 4
    with pytest.raises(InputError, match="7 to 3 of wander"):
        trajectory.segment(7, 3)


def test_equal_motion_is_equal_bytes(path, trajectory, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    time.sleep(1.1)  # HDF5 can note when a data set was written, in seconds
    write_trajectory(tmp_path / "elsewhere/other.h5", read_trajectory(path), {"made": "by hand"})
    assert (tmp_path / "elsewhere/other.h5").read_bytes() == path.read_bytes()


def test_gathered_clips_are_as_they_were(path, trajectory, tmp_path):
    other = dataclasses.replace(trajectory, name="back", position=trajectory.position[::-1])
    write_trajectory(tmp_path / "back.h5", other)
    gather_clips([path, tmp_path / "back.h5"], tmp_path / "all.hdf5")
    for part in (trajectory, other):
        assert_same(part, dm_control_arrays(tmp_path / "all.hdf5", part.name)[1])
    with h5py.File(tmp_path / "all.hdf5") as file:
        assert json.loads(file["wander"].attrs["provenance"]) == {"made": "by hand"}
        assert "provenance" not in file["back"].attrs
    time.sleep(1.1)
    gather_clips([tmp_path / "back.h5", path], tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "all.hdf5").read_bytes()


def test_what_cannot_be_gathered_leaves_no_file(path, tmp_path):
    shutil.copy(path, tmp_path / "same.h5")
    with pytest.raises(InputError, match=r"wander\.h5 has a clip wander, as has another file"):
        gather_clips([path, tmp_path / "same.h5"], tmp_path / "all.hdf5")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"wander\.h5 cannot be read"):
        gather_clips([path], tmp_path / "all.hdf5")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["same.h5", "wander.h5"]


def test_what_is_written_is_read(path, trajectory):
    again = read_trajectory(path, "wander")
    assert again.name == "wander"
    assert again.n_steps == 11
    assert_same(again, {name: getattr(trajectory, name) for name in SHAPES})


def test_names_and_lengths(motion_file, path):
    assert clip_names(path) == ["wander"]
    assert clip_lengths(path) == {"wander": 11}
    lengths = clip_lengths(motion_file)
    assert list(lengths) == clip_names(motion_file)
    assert lengths["CMU_001_01"] == 763
    assert lengths["CMU_016_15"] == len(read_trajectory(motion_file, "CMU_016_15")) - 1


def test_an_unknown_clip_is_answered_with_the_nearest(motion_file, path):
    with pytest.raises(InputError, match=r"CMU_016_99 is not in .*few.*8 clips; the nearest are CMU_016_1"):
        read_trajectory(motion_file, "CMU_016_99")
    with pytest.raises(InputError, match=r"holds 8 clips; name the one"):
        read_trajectory(motion_file)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("read", [read_trajectory, clip_lengths, clip_names])
def test_a_cut_file_is_said_to_be_cut(path, part, read):
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"wander\.h5 cannot be read.*cut or damaged.*again"):
        read(path)


def test_not_hdf5_and_not_there(tmp_path):
    (tmp_path / "words.h5").write_text("not HDF5")
    with pytest.raises(InputError, match=r"words\.h5 cannot be read as motion"):
        clip_lengths(tmp_path / "words.h5")
    with pytest.raises(InputError, match=r"no motion file .*absent\.h5"):
        read_trajectory(tmp_path / "absent.h5")


def test_hdf5_of_something_else(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(InputError, match=r"other\.h5 cannot be read as motion"):
        clip_lengths(tmp_path / "other.h5")


@pytest.mark.parametrize("read", [read_trajectory, clip_lengths])
def test_another_model_or_rate_is_refused(path, read):
    def of_2019(clip):
        clip["walkers/walker_0"].attrs["model"] = 1

    def at_30_hertz(clip):
        clip.attrs["dt"] = 1 / 30

    def of_two(clip):
        clip["walkers"].create_group("walker_1")

    with pytest.raises(
        InputError, match=r"wander in .*edited\.h5 is motion of another model: 1 \(CMU_2019\).*Use"
    ):
        read(edited(path, of_2019))
    with pytest.raises(InputError, match=r"edited\.h5 has another rate: a frame every 0\.0333333 s.*import"):
        read(edited(path, at_30_hertz))
    with pytest.raises(InputError, match="2 walkers"):
        read(edited(path, of_two))


def test_arrays_that_do_not_fit_are_refused(path):
    def without_a_joint(clip):
        joints = clip["walkers/walker_0/joints"][:-1]
        del clip["walkers/walker_0/joints"]
        clip["walkers/walker_0/joints"] = joints

    def with_a_hole(clip):
        clip["walkers/walker_0/velocity"][1, 2] = np.nan

    def longer_than_it_is(clip):
        clip.attrs["num_steps"] = 13

    def without_velocity(clip):
        del clip["walkers/walker_0/velocity"]

    with pytest.raises(InputError, match=r"joints of shape \(55, 12\), but \(56, 12\)"):
        read_trajectory(edited(path, without_a_joint))
    with pytest.raises(InputError, match=r"velocity that are not numbers"):
        read_trajectory(edited(path, with_a_hole))
    with pytest.raises(InputError, match=r"shape \(3, 12\), but \(3, 13\)"):
        read_trajectory(edited(path, longer_than_it_is))
    with pytest.raises(InputError, match=r"edited\.h5 cannot be read as motion"):
        read_trajectory(edited(path, without_velocity))


def test_mujocos_order_is_that_of_the_model(trajectory):
    from mocapact_core.humanoid.model import JOINTS, load_model

    marked = dataclasses.replace(trajectory, joints=np.tile(np.arange(56.0), (12, 1)))
    for index in (0, 17, 55):
        address = load_model().joint(f"walker/{JOINTS[index]}").qposadr[0]
        np.testing.assert_array_equal(marked.qpos()[:, address], index)
    np.testing.assert_array_equal(marked.qpos()[:, :3], trajectory.position)
    assert marked.qvel().shape == (12, 62)
