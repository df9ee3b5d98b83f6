"""Motion of a subject on the humanoid: closed forms, MuJoCo's geometry, and an independent converter."""

import mujoco
import numpy as np
import pytest

from mocapact_core.clips import joint_limits
from mocapact_core.clips.amc import find_amc, n_steps_of
from mocapact_core.clips.joint_limits import within_limits
from mocapact_core.clips.kinematics import body_kinematics
from mocapact_core.clips.retarget import FOOT_OFFSET, import_amc
from mocapact_core.clips.trajectory import clip_names, read_trajectory, write_trajectory
from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.humanoid.model import JOINTS, layout, load_model
from tests.clips.acclaim import write_amc, write_asf

LEGS = 2 * 7.5  # units of length, of the skeletons of these tests
HUMANOID_LEGS = 0.485934 + 0.4988316  # metres, femur and tibia of the V2020 humanoid
ARM_BODIES = ("clavicle", "humerus", "radius", "wrist", "hand", "fingers", "thumb")


@pytest.fixture
def subject(tmp_path):
    write_asf(tmp_path / "eve.asf", thigh=7.0, shank=8.0)
    return tmp_path


def joint(trajectory, name: str) -> np.ndarray:
    return trajectory.joints[:, JOINTS.index(name)]


def foot_heights(trajectory) -> np.ndarray:
    """(T,) distance of the lower sole from the floor, by MuJoCo."""
    model, data, heights = load_model(), mujoco.MjData(load_model()), []
    floor = next(i for i in range(model.ngeom) if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_PLANE)
    for qpos in trajectory.qpos():
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        feet = layout().feet
        heights.append(min(mujoco.mj_geomDistance(model, data, floor, foot, 9.0, None) for foot in feet))
    return np.array(heights)


def test_a_still_subject(subject):
    pose = {"lfemurrx": -10.0, "ltibiarx": 30.0, "rtibiarx": 20.0, "rfootrx": 5.0, "headry": 12.0}
    pose |= {"lhumerusrz": 40.0, "lwristry": 20.0, "rwristry": -20.0, "lthumbrx": 10.0}
    path = write_amc(
        subject / "eve_1.amc", joints={name: np.full(120, angle) for name, angle in pose.items()}
    )
    made = import_amc(path)
    assert made.name == "eve_1"
    assert made.n_steps == n_steps_of(path) == 30
    for name in JOINTS:
        offset = FOOT_OFFSET if name.endswith("footrx") else 0.0
        np.testing.assert_allclose(joint(made, name), np.radians(pose.get(name, 0.0)) + offset, atol=1e-9)
    np.testing.assert_allclose(foot_heights(made), 0, atol=1e-6)
    for field in ("velocity", "angular_velocity", "joints_velocity"):
        np.testing.assert_allclose(getattr(made, field), 0, atol=1e-9)


def test_the_path_is_scaled_by_the_legs(subject):
    """From y up to z up: forward along z of the file is backward along y."""
    root = np.zeros((240, 6))
    root[:, 0], root[:, 1], root[:, 2] = np.linspace(0, 30, 240), 17, np.linspace(5, -25, 240)
    made = import_amc(write_amc(subject / "eve.amc", 240, root))
    scale = HUMANOID_LEGS / LEGS
    times = 0.03 * np.arange(len(made))
    inside = slice(5, -5)  # the filter needs a moment at the ends
    np.testing.assert_allclose(made.position[inside, 0], scale * 30 * times[inside] / (239 / 120), atol=2e-4)
    np.testing.assert_allclose(
        made.position[inside, 1], scale * (30 * times[inside] / (239 / 120) - 5), atol=2e-4
    )
    assert np.ptp(made.position[:, 2]) < 1e-9


def test_the_root_turns_as_in_dm_control(subject):
    from dm_control.mujoco import math as mjmath

    angles = np.array([20.0, -70.0, 35.0])
    root = np.tile([0, 17, 0, *angles], (120, 1))
    made = import_amc(write_amc(subject / "eve.amc", 120, root))
    expected = mjmath.mj_quatprod(mjmath.euler2quat(90, 0, 0), mjmath.euler2quat(*angles))
    assert np.abs(made.quaternion @ expected).min() > 1 - 1e-12


def test_the_root_turns_round_and_round(subject):
    """Two turns about the vertical in 3 s, in angles that jump by 360 degrees."""
    root = np.tile([0.0, 17, 0, 0, 0, 0], (361, 1))
    root[:, 4] = (np.linspace(0, 720, 361) + 180) % 360 - 180
    made = import_amc(write_amc(subject / "eve.amc", 361, root))
    assert ((made.quaternion[1:] * made.quaternion[:-1]).sum(axis=1) > 0.9).all()
    inside = slice(10, -10)
    expected = np.tile([0, 4 * np.pi / 3, 0], (len(made), 1))  # the file's y is up
    np.testing.assert_allclose(made.angular_velocity[inside], expected[inside], atol=0.02)


def test_slow_motion_passes_and_noise_does_not(subject):
    times = np.arange(480) / 120
    slow = 20 * np.sin(2 * np.pi * 1.0 * times)
    noise = 3 * np.sin(2 * np.pi * 40.0 * times)
    joints = {"lowerbackry": slow + noise, "thoraxry": slow}
    made = import_amc(write_amc(subject / "eve.amc", 480, joints=joints))
    inside = slice(10, -10)
    expected = np.radians(20 * np.sin(2 * np.pi * 0.03 * np.arange(len(made))))[inside]
    np.testing.assert_allclose(joint(made, "thoraxry")[inside], expected, atol=np.radians(0.1))
    np.testing.assert_allclose(joint(made, "lowerbackry")[inside], expected, atol=np.radians(0.5))


def test_half_the_frame_rate_gives_the_same_motion(subject):
    times = np.arange(481) / 120
    angles = 20 * np.sin(2 * np.pi * times + 1)
    root = np.column_stack([*np.zeros((3, 481)), *(angles * np.array([[0.2], [3], [0.1]]))])
    full = import_amc(write_amc(subject / "eve_120.amc", 481, root, {"headrz": angles}))
    half = import_amc(write_amc(subject / "eve_60.amc", 241, root[::2], {"headrz": angles[::2]}), fps=60)
    assert len(full) == len(half)
    np.testing.assert_allclose(half.joints, full.joints, atol=np.radians(0.4))
    assert np.abs((half.quaternion * full.quaternion).sum(axis=1)).min() > 1 - 1e-5


def test_faults_of_the_capture(subject):
    """Unsolved first frames, a glitch of two frames, turns by a whole and, of a thumb, half a turn."""
    smooth = 15 + 5 * np.sin(2 * np.pi * np.arange(240) / 240)
    joints = {name: smooth.copy() for name in ("lradiusrx", "thoraxrx", "lfemurrz", "headry", "lthumbrz")}
    joints["lradiusrx"][:9] = 0.0
    joints["thoraxrx"][100:102] += 40
    joints["lfemurrz"][60:] += 360
    joints["headry"] -= 360
    joints["lthumbrz"][120:160] -= 180
    made = import_amc(write_amc(subject / "eve.amc", 240, joints=joints))
    expected = np.radians(15 + 5 * np.sin(2 * np.pi * 3.6 * np.arange(len(made)) / 240))
    for name in joints:
        np.testing.assert_allclose(joint(made, name), expected, atol=np.radians(1.5), err_msg=name)


def test_a_jump_stands_on_the_floor(subject):
    """Standing height, not the mean or the lowest, becomes the floor, though most of the time is spent
    above it."""
    root = np.tile([0.0, 17, 0, 0, 0, 0], (480, 1))
    root[120:400, 1] += 12 * np.sin(np.linspace(0, np.pi, 280))
    made = import_amc(write_amc(subject / "eve.amc", 480, root))
    heights = foot_heights(made)
    np.testing.assert_allclose(heights[:25], 0, atol=5e-3)
    assert heights.max() == pytest.approx(12 * HUMANOID_LEGS / LEGS, abs=0.01)


def test_the_same_bytes_every_time(subject):
    rng = np.random.default_rng(0)
    joints = {name: np.cumsum(rng.normal(size=200)) for name in JOINTS}
    path = write_amc(subject / "eve.amc", 200, joints=joints)
    hashes = set()
    for _ in range(2):
        write_trajectory(subject / "eve.h5", import_amc(path))
        hashes.add(sha256(subject / "eve.h5"))
    assert len(hashes) == 1


def test_leg_length_instead_of_a_skeleton(subject):
    root = np.zeros((240, 6))
    root[:, 0] = np.linspace(0, 30, 240)
    path = write_amc(subject / "eve.amc", 240, root)
    known = import_amc(path)
    (subject / "eve.asf").unlink()
    with pytest.raises(InputError, match=r"eve\.amc has no skeleton.*leg_length"):
        import_amc(path)
    made = import_amc(path, leg_length=LEGS * 0.0254 / 0.45)
    np.testing.assert_allclose(made.position, known.position, atol=1e-12)
    with pytest.raises(InputError, match="not that of a person"):
        import_amc(path, leg_length=83.0)


def test_other_skeletons_are_refused(subject):
    path = write_amc(subject / "eve.amc")
    write_asf(subject / "turned.asf", axes={"lhumerus": (0, 0, 0)})
    with pytest.raises(InputError, match=r"turned\.asf is not CMU's skeleton.* its lhumerus"):
        import_amc(path, subject / "turned.asf")
    text = (subject / "eve.asf").read_text()
    (subject / "other.asf").write_text(text.replace("name rthumb", "name rtail"))
    with pytest.raises(InputError, match=r"other\.asf is not .*rthumb"):
        import_amc(path, subject / "other.asf")
    path.write_text(path.read_text().replace("ltoes 0", "ltoes 0 0"))
    with pytest.raises(InputError, match="ltoes"):
        import_amc(path)


def test_arms_of_the_fit_are_those_of_mujoco():
    angles = np.random.default_rng(0).uniform(*layout().joint_range.T, size=(5, 56))
    bodies = body_kinematics(np.zeros((5, 3)), np.eye(1, 4).repeat(5, axis=0), angles)["body_positions"]
    for side in "lr":
        thorax, hand = (layout().body_names.index(name) for name in ("thorax", f"{side}hand"))
        arm = np.array([JOINTS.index(side + name) for name in joint_limits.ARM])
        position, _, jacobian = joint_limits._hand(side, angles[:, arm])
        distance = np.linalg.norm(bodies[:, hand] - bodies[:, thorax], axis=1)
        np.testing.assert_allclose(np.linalg.norm(position, axis=1), distance, atol=1e-12)
        for j, step in enumerate(1e-6 * np.eye(len(arm))):
            change = (joint_limits._hand(side, angles[:, arm] + step)[0] - position) / 1e-6
            np.testing.assert_allclose(jacobian[:, :3, j], change, atol=1e-5)


def test_what_lies_within_the_limits_is_kept():
    angles = np.random.default_rng(0).uniform(*layout().joint_range.T, size=(7, 56))
    np.testing.assert_array_equal(within_limits(angles), angles)


def hands(joints: np.ndarray) -> np.ndarray:
    """(T, 2, 3)"""
    bodies = body_kinematics(np.zeros((len(joints), 3)), np.eye(1, 4).repeat(len(joints), axis=0), joints)
    return bodies["body_positions"][:, [layout().body_names.index(name) for name in ("lhand", "rhand")]]


def test_a_hanging_arm_keeps_its_hand():
    """The right shoulder cannot hang as people's do (-85 degrees); clipped, the hand is 15 cm off."""
    low, high = layout().joint_range.T
    joints = np.clip(np.zeros((60, 56)), low, high)
    swing = np.sin(2 * np.pi * np.arange(60) / 40)
    joints[:, JOINTS.index("rhumerusrz")] = np.radians(-85 + 3 * swing)
    joints[:, JOINTS.index("rhumerusry")] = np.radians(10 + 20 * swing)
    joints[:, JOINTS.index("rradiusrx")] = np.radians(30 + 10 * swing)
    made = within_limits(joints)
    assert (made >= low).all()
    assert (made <= high).all()
    moved = np.linalg.norm(hands(made) - hands(joints), axis=-1)[:, 1]
    clipped = np.linalg.norm(hands(np.clip(joints, low, high)) - hands(joints), axis=-1)[:, 1]
    assert clipped.mean() > 0.1
    assert moved.mean() < 0.01
    assert np.abs(np.diff(made, axis=0)).max() < 3 * np.abs(np.diff(joints, axis=0)).max()
    others = slice(0, JOINTS.index("rclaviclerz"))
    np.testing.assert_array_equal(made[:, others], joints[:, others])


@pytest.fixture(scope="module")
def real(real_amc_folder, real_motion_file):
    """Ours and the independent converter's of the same trials, without subject 91, whose skeleton is not
    there."""
    found = find_amc(real_amc_folder())
    names = [name for name in clip_names(real_motion_file()) if not name.startswith("CMU_091")]
    return {name: (import_amc(found[name]), read_trajectory(real_motion_file(), name)) for name in names}


def test_real_motion_agrees_with_an_independent_converter(real):
    arms = np.array([any(part in name for part in ARM_BODIES) for name in layout().body_names])
    joints = np.array([not any(part in name for part in ARM_BODIES) for name in JOINTS])
    assert len(real) == 7
    for name, (ours, theirs) in real.items():
        errors = np.linalg.norm(ours.body_positions - theirs.body_positions[: len(ours)], axis=2)
        assert errors[:, ~arms].mean() < 0.02, name
        difference = np.abs(ours.joints - theirs.joints[: len(ours)])[:, joints]
        assert np.degrees(difference.mean()) < 0.6, name
        assert np.degrees(np.median(difference.max(axis=0))) < 6, name


def test_real_hands_are_where_the_subject_has_them(real_amc_folder, monkeypatch):
    """Against the same import without joint limits; clipping would move the right hand by 15 cm."""
    path = find_amc(real_amc_folder())["CMU_016_15"]
    ours = import_amc(path)
    monkeypatch.setattr("mocapact_core.clips.retarget.within_limits", lambda joints: joints)
    free = import_amc(path)
    moved = np.linalg.norm(hands(ours.joints) - hands(free.joints), axis=-1)
    assert moved.mean() < 0.005
    assert moved.max() < 0.02


def test_real_motion_is_good(real):
    low, high = layout().joint_range.T
    ours, theirs = (np.concatenate([pair[i].joints for pair in real.values()]) for i in range(2))
    assert (ours >= low).all()
    assert (ours <= high).all()
    assert np.corrcoef(ours.mean(axis=0), theirs.mean(axis=0))[0, 1] > 0.97
    heights = [pair[0].position[:, 2].mean() for pair in real.values()]
    assert 1.05 < np.mean(heights) < 1.12
    for name, (trajectory, _) in real.items():
        soles = foot_heights(trajectory)
        assert abs(np.median(soles)) < 0.03, name
        assert soles.min() > -0.1, name
