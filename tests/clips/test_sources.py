"""Every source plans and extracts; bad input is answered before any work."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mocapact_core.clips.builtin import BUILTIN
from mocapact_core.clips.kinematics import trajectory_from_motion
from mocapact_core.clips.sources import clip_files, clip_lengths, extract, plan, write_clip
from mocapact_core.clips.trajectory import SHAPES, read_trajectory, write_trajectory
from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.settings import ClipSettings, TrackingSettings
from tests.clips.acclaim import write_amc, write_asf


def hdf5(path, **settings):
    return ClipSettings(source="hdf5", path=str(path), **settings)


def still(name: str, n_frames: int):
    position = np.tile([0.0, 0.0, 1.1], (n_frames, 1))
    return trajectory_from_motion(
        name, position, np.tile([1.0, 0, 0, 0], (n_frames, 1)), np.zeros((n_frames, 56))
    )


def test_builtin():
    asked = plan(ClipSettings())
    assert asked.clips == BUILTIN
    assert [snippet.clip for snippet in asked.snippets] == sorted(BUILTIN)
    assert clip_files(ClipSettings(), "stand") == []
    trajectory = extract(ClipSettings(), "stand")
    assert (trajectory.name, trajectory.n_steps) == ("stand", BUILTIN["stand"])


def test_cmu2020_is_planned_without_the_file(tmp_path):
    settings = ClipSettings(source="cmu2020", path=str(tmp_path / "absent.h5"))
    assert (len(plan(settings).clips), len(plan(settings).snippets)) == (836, 2589)
    validation = plan(settings.model_copy(update={"subset": "val"}))
    assert (len(validation.clips), len(validation.snippets)) == (63, 264)
    assert clip_files(settings, "CMU_009_12") == [tmp_path / "absent.h5"]


def test_cmu2020_takes_no_other_file(tmp_path):
    write_trajectory(tmp_path / "other.h5", still("CMU_009_12", 40))
    with pytest.raises(InputError, match=r"other\.h5 is not dm_control's file of CMU motion"):
        plan(ClipSettings(source="cmu2020", path=str(tmp_path / "other.h5")))


def test_cmu2020_is_read_once_it_is_there(tmp_path, monkeypatch):
    write_trajectory(tmp_path / "cmu.h5", still("CMU_009_12", 40))
    monkeypatch.setattr("mocapact_core.clips.cmu.fetch_archive", lambda path: tmp_path / "cmu.h5")
    assert extract(ClipSettings(source="cmu2020"), "CMU_009_12").n_steps == 39


def test_hdf5(motion_file):
    settings = hdf5(motion_file)
    asked = plan(settings)
    assert len(asked.clips) == 8
    assert [snippet.name for snippet in asked.snippets][-1] == "CMU_091_47-0-130"
    assert clip_files(settings, "CMU_035_17") == [motion_file]
    ours, stored = extract(settings, "CMU_035_17"), read_trajectory(motion_file, "CMU_035_17")
    assert ours.n_steps == asked.clips["CMU_035_17"]
    for name in SHAPES:
        np.testing.assert_array_equal(getattr(ours, name), getattr(stored, name))


def test_hdf5_membership_goes_by_name(motion_file):
    from mocapact_core.clips.cmu_table import membership

    clips = list(plan(hdf5(motion_file)).clips)
    walking = plan(hdf5(motion_file, subset="locomotion")).clips
    assert list(walking) == [clip for clip in clips if membership(clip).locomotion]
    assert 0 < len(walking) < len(clips)


def test_amc(motion_folder):
    settings = ClipSettings(
        source="amc", path=str(motion_folder / "cmu"), subset=["CMU_016_15", "CMU_002_03"]
    )
    asked = plan(settings)
    assert asked.clips == {"CMU_002_03": 44, "CMU_016_15": 127}, "as in the published table"
    names = [path.name for path in clip_files(settings, "CMU_002_03")]
    assert names == ["02_03.amc", "02.asf"]
    trajectory = extract(settings, "CMU_002_03")
    assert (trajectory.name, trajectory.n_steps) == ("CMU_002_03", 44)
    with pytest.raises(InputError, match=r"CMU_016_99 is not in .*the nearest are CMU_016_"):
        extract(settings, "CMU_016_99")


def test_only_clips_that_are_asked_for_need_to_be_good(tmp_path):
    write_trajectory(tmp_path / "two.h5", still("good", 40))
    with h5py.File(tmp_path / "two.h5", "r+") as file:
        file.copy("good", "bad")
        file["bad/walkers/walker_0"].attrs["model"] = 1
    assert plan(hdf5(tmp_path / "two.h5", subset=["good"])).clips == {"good": 39}
    with pytest.raises(InputError, match=r"bad in .*two\.h5 is motion of another model"):
        plan(hdf5(tmp_path / "two.h5"))


def provenance_of(settings: ClipSettings, clip: str, path) -> dict:
    write_clip(settings, clip, path)
    assert read_trajectory(path).name == clip
    with h5py.File(path) as file:
        return json.loads(file.attrs["provenance"])


def test_a_clip_tells_its_source(tmp_path, real_amc_folder):
    builtin = provenance_of(ClipSettings(), "stand", tmp_path / "clip.h5")
    assert (builtin["settings"], builtin["inputs"]) == ({"source": "builtin"}, {})
    folder = real_amc_folder()
    amc = provenance_of(ClipSettings(source="amc", path=str(folder)), "CMU_002_03", tmp_path / "clip.h5")
    assert amc["settings"] == {"source": "amc", "frame_rate": 120, "leg_length": None}
    files = clip_files(ClipSettings(source="amc", path=str(folder)), "CMU_002_03")
    assert amc["inputs"] == {"amc": sha256(files[0]), "asf": sha256(files[1])}


def test_a_clip_of_an_archive_does_not_depend_on_those_beside_it(tmp_path):
    write_trajectory(tmp_path / "one.h5", still("one", 40))
    write_trajectory(tmp_path / "two.h5", still("two", 50))
    with h5py.File(tmp_path / "two.h5", "r+") as file, h5py.File(tmp_path / "one.h5") as other:
        other.copy("one", file)
    for archive in ("one", "two"):
        write_clip(hdf5(tmp_path / f"{archive}.h5"), "one", tmp_path / f"from_{archive}" / "one.h5")
    assert sha256(tmp_path / "from_one/one.h5") == sha256(tmp_path / "from_two/one.h5")


def test_snippets_follow_the_settings(tmp_path):
    write_trajectory(tmp_path / "long.h5", still("long", 101))
    names = [
        str(s) for s in plan(hdf5(tmp_path / "long.h5", max_snippet_steps=60, overlap_steps=10)).snippets
    ]
    assert names == ["long-0-55", "long-45-100"]
    one = plan(hdf5(tmp_path / "long.h5", max_snippet_steps=60, overlap_steps=10, subset=["long-45-100"]))
    assert [str(s) for s in one.snippets] == ["long-45-100"]
    assert one.clips == {"long": 100}


def test_a_snippet_shorter_than_the_horizon_is_refused(tmp_path):
    path = tmp_path / "short.h5"
    write_trajectory(path, still("short", 6))
    with pytest.raises(InputError, match=r"short\.h5 are too short: short-0-5 \(5 .*look 5 .*needs 6 steps"):
        plan(hdf5(path))
    assert plan(hdf5(path), TrackingSettings(ref_steps=[1, 4])).clips == {"short": 5}
    with pytest.raises(InputError, match=r"look 9 steps ahead .*needs 10 steps at least: leave"):
        plan(hdf5(path), TrackingSettings(ref_steps=[9, 1]))


@pytest.mark.parametrize("source", ["hdf5", "amc"])
def test_missing_places_are_named(source, tmp_path):
    with pytest.raises(InputError, match=rf"clips\.source is {source}, but clips\.path is empty"):
        plan(ClipSettings(source=source))
    with pytest.raises(InputError, match=r"absent"):
        plan(ClipSettings(source=source, path=str(tmp_path / "absent")))


def test_unknown_names_and_empty_subsets():
    with pytest.raises(InputError, match=r"wafe is neither .* of the source builtin.*nearest are wave"):
        plan(ClipSettings(subset=["wafe"]))
    with pytest.raises(InputError, match=r"subset val holds none of the 5 clips"):
        plan(ClipSettings(subset="val"))


def test_a_cut_file_is_refused_at_planning(tmp_path):
    path = tmp_path / "half.h5"
    write_trajectory(path, still("still", 40))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"half\.h5 cannot be read.*cut or damaged"):
        plan(hdf5(path))


def test_bodies_of_another_humanoid_are_refused(tmp_path):
    path = tmp_path / "giant.h5"
    write_trajectory(path, still("giant", 40))
    with h5py.File(path, "r+") as file:
        file["giant/walkers/walker_0/body_positions"][:] *= 1.1
    with pytest.raises(InputError, match=r"giant in .*giant\.h5 is not motion of dm_control's CMU"):
        extract(hdf5(path), "giant")


@pytest.mark.parametrize("source", ["builtin", "cmu2020"])
def test_planning_is_light(source):
    """Snakemake plans in every job; it must not wait for simulators."""
    code = (
        "import sys; from mocapact_core.clips.sources import plan;"
        "from mocapact_core.settings import ClipSettings;"
        f"plan(ClipSettings(source={source!r}));"
        "print([name for name in ('torch', 'mujoco', 'dm_control', 'h5py', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_motion_at_another_rate_and_without_a_skeleton(tmp_path):
    """Half the frames at half the rate are the same clip, and a leg length stands in for the skeleton."""
    write_asf(tmp_path / "one.asf")
    write_amc(tmp_path / "one.amc", 240)
    write_amc(tmp_path / "two.amc", 120)
    settings = ClipSettings(
        source="amc", path=str(tmp_path), frame_rates={"two": 60.0}, leg_lengths={"two": 0.85}
    )
    lengths = clip_lengths(settings, ["one", "two"])
    assert lengths["one"] == lengths["two"] == extract(settings, "two").n_steps
    assert clip_files(settings, "two") == [tmp_path / "two.amc"]
