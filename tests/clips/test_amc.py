"""ASF and AMC files: against dm_control's reader, the published lengths, and damage of every kind."""

import shutil

import numpy as np
import pytest

from mocapact_core.clips.amc import clip_name, find_amc, find_asf, n_steps_of, read_amc
from mocapact_core.clips.asf import read_asf
from mocapact_core.clips.cmu_table import cmu_lengths
from mocapact_core.errors import InputError
from tests.clips.acclaim import FREEDOMS, write_amc, write_asf

WHOLE_TRIALS = 41  # of the 43 real ones, those that are in MoCapAct, all in full length


@pytest.mark.parametrize("trial", ["01_01", "07_05", "16_15", "35_17", "91_47", "118_29"])
def test_motion_agrees_with_dm_control(real_amc_folder, trial):
    from dm_control.suite.utils import parse_amc

    path = real_amc_folder() / "amc" / f"{trial}.amc"
    expected = np.array(parse_amc.parse(str(path)))
    motion = read_amc(path)
    assert motion.n_frames == len(expected)
    np.testing.assert_array_equal(motion.bones["root"][:, :3], expected[:, :3])
    np.testing.assert_allclose(motion.bones["root"][:, 3:], np.radians(expected[:, 3:6]), rtol=1e-14)
    for bone, freedoms in FREEDOMS.items():
        columns = [parse_amc._CMU_MOCAP_JOINT_ORDER.index(bone + freedom) for freedom in freedoms]
        np.testing.assert_allclose(motion.bones[bone], np.radians(expected[:, columns]), rtol=1e-14)


def test_whole_trials_have_the_published_lengths(real_amc_folder):
    published = cmu_lengths()
    found = {name: path for name, path in find_amc(real_amc_folder()).items() if name in published}
    assert len(found) == WHOLE_TRIALS
    for name, path in found.items():
        assert n_steps_of(path) == published[name], name


def test_legs_of_real_skeletons(real_amc_folder):
    """Subject 16: femora 7.03469 and 7.12424, tibiae 7.78223 and 7.68841 units of an inch / 0.45."""
    skeleton = read_asf(find_asf(real_amc_folder() / "amc" / "16_15.amc"))
    assert skeleton.leg_length == pytest.approx((7.03469 + 7.12424 + 7.78223 + 7.68841) / 2 * 0.0254 / 0.45)
    assert skeleton.freedoms["lhand"] == ("rx", "rz")
    np.testing.assert_allclose(np.degrees(skeleton.axes["lfemur"]), [0, 0, 20])


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n"])
def test_line_ends_and_blank_lines_do_not_matter(tmp_path, newline):
    angles = {"lfemurrx": np.linspace(-20, 20, 90), "rhandrz": np.linspace(1e-15, 9, 90)}
    motion = read_amc(write_amc(tmp_path / "a.amc", 90, joints=angles, newline=newline))
    assert motion.n_frames == 90
    np.testing.assert_allclose(motion.bones["lfemur"][:, 0], np.radians(angles["lfemurrx"]), rtol=1e-8)
    np.testing.assert_allclose(motion.bones["rhand"][:, 1], np.radians(angles["rhandrz"]), rtol=1e-8)
    assert not motion.bones["rhand"][:, 0].any()


def test_angles_may_be_in_radians(tmp_path):
    path = write_amc(tmp_path / "a.amc", 20, joints={"lradiusrx": np.full(20, 1.5)})
    path.write_text(path.read_text().replace(":DEGREES", ":RADIANS"))
    assert (read_amc(path).bones["lradius"] == 1.5).all()


@pytest.mark.parametrize(
    ("n_frames", "fps", "n_steps"), [(343, 120, 92), (172, 60, 92), (16, 120, 1), (118, 120, 29)]
)
def test_length(tmp_path, n_frames, fps, n_steps):
    """343 frames at 120 Hz are 2.85 s, 96 frames of 0.03 s, of which the published clip lacks 3: 92 steps."""
    assert n_steps_of(write_amc(tmp_path / "a.amc", n_frames), fps) == n_steps


def test_names():
    assert clip_name("somewhere/16_15.amc") == "CMU_016_15"
    assert clip_name("118_1.AMC") == "CMU_118_01"
    assert clip_name("my_dance.amc") == "my_dance"


def test_files_lie_anywhere_in_a_folder(tmp_path):
    (tmp_path / "deep" / "amc").mkdir(parents=True)
    (tmp_path / "skeletons").mkdir()
    for file in ("deep/amc/7_01.amc", "deep/amc/eve_jumps.AMC", "adam.amc", "skeletons/07.asf"):
        (tmp_path / file).touch()
    (tmp_path / "deep" / "eve.ASF").touch()
    found = find_amc(tmp_path)
    assert list(found) == ["CMU_007_01", "adam", "eve_jumps"]
    assert find_asf(found["CMU_007_01"], tmp_path) == tmp_path / "skeletons" / "07.asf"
    assert find_asf(found["eve_jumps"]) == tmp_path / "deep" / "eve.ASF"
    with pytest.raises(InputError, match=r"adam.amc has no skeleton: adam.asf .* clips.leg_lengths"):
        find_asf(found["adam"], tmp_path)
    (tmp_path / "07_01.amc").touch()
    with pytest.raises(InputError, match="both are the clip CMU_007_01"):
        find_amc(tmp_path)


def test_folder_without_motion(tmp_path):
    with pytest.raises(InputError, match=r"no \.amc file .* clips\.path"):
        find_amc(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        find_amc(tmp_path / "nowhere")


def test_cut_anywhere_in_the_last_frame(tmp_path):
    """All but a cut inside the very last number, which leaves another number."""
    whole = write_amc(tmp_path / "whole.amc", 30).read_text()
    frame = whole.index("\n30\n") + 1
    cut = tmp_path / "cut.amc"
    for size in range(frame + 1, len(whole) - len(whole.rsplit(" ", 1)[1]), 7):
        cut.write_text(whole[:size])
        for read in (read_amc, n_steps_of):
            with pytest.raises(InputError, match=r"cut\.amc breaks off inside frame 30\. .* head -n"):
                read(cut)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n"])
def test_the_remedy_for_a_cut_file_works(tmp_path, newline):
    whole = write_amc(tmp_path / "whole.amc", 30, newline=newline).read_bytes()
    cut = tmp_path / "cut.amc"
    cut.write_bytes(whole[:-50])
    with pytest.raises(InputError) as error:
        read_amc(cut)
    n_lines = int(str(error.value).split("head -n ")[1].split()[0])
    cut.write_bytes(b"".join(whole.splitlines(keepends=True)[:n_lines]))
    assert read_amc(cut).n_frames == 29


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n12\n", "\n13\n", "frame 12 is missing"),
        ("\nlfemur 0 0 0\n7\n", "\n7\n", "frame 6 is missing or not like the first"),
        ("17 0 0 0 0\n", "17 0 0 0 1.#QNAN\n", "bone root 6 numbers"),
        ("17 0 0 0 0\n", "17 0 0 0 nan\n", "bone root 6 numbers"),
        ("\nlfemur 0 0 0\n7\n", "\nlfemur 0 0\n7\n", "bone lfemur 3 numbers"),
        ("root 0", "root", "bone root 5 numbers|root six numbers"),
    ],
)
def test_damage_in_the_middle(tmp_path, old, new, message):
    path = write_amc(tmp_path / "a.amc", 30)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=f"a.amc .*({message})"):
        read_amc(path)


@pytest.mark.parametrize("content", ["", "1\nroot 0 0 0 0 0 0\n", "\x89HDF\r\n\x1a\n" * 100, "hello\n" * 50])
def test_not_a_motion(tmp_path, content):
    path = tmp_path / "a.amc"
    path.write_text(content)
    for read in (read_amc, n_steps_of):
        with pytest.raises(InputError, match=r"a\.amc does not hold two frames"):
            read(path)


def test_too_short_too_slow_or_missing(tmp_path):
    path = write_amc(tmp_path / "a.amc", 15)
    with pytest.raises(InputError, match=r"only 15 frames; a clip needs 16"):
        n_steps_of(path)
    with pytest.raises(InputError, match="0 frames a second"):
        n_steps_of(path, fps=0)
    with pytest.raises(InputError, match="There is no file"):
        read_amc(tmp_path / "b.amc")


def test_skeleton(tmp_path):
    skeleton = read_asf(write_asf(tmp_path / "a.asf", thigh=7.0, shank=8.0))
    assert skeleton.leg_length == pytest.approx(15.0 * 0.0254 / 0.45)
    assert skeleton.freedoms["lclavicle"] == ("ry", "rz")
    np.testing.assert_allclose(np.degrees(skeleton.axes["lfoot"]), [-90, 0, 20], atol=1e-4)


def test_cut_or_foreign_skeletons(tmp_path):
    whole = write_asf(tmp_path / "whole.asf").read_text()
    path = tmp_path / "a.asf"
    for size in range(0, whole.rindex("end"), 97):
        path.write_text(whole[:size])
        with pytest.raises(InputError, match=r"a\.asf cannot be used as a skeleton"):
            read_asf(path)
    path.write_text(whole.replace("TX TY TZ RX RY RZ", "TX TY TZ RZ RY RX"))
    with pytest.raises(InputError, match="order"):
        read_asf(path)
    path.write_text(whole.replace("lfemur", "thigh"))
    with pytest.raises(InputError, match="lfemur"):
        read_asf(path)
    shutil.copy(__file__, path)
    with pytest.raises(InputError, match="cannot be used"):
        read_asf(path)
