"""Evaluation of an expert against dm_control's own environment."""

import json
import shutil

import numpy as np
import pytest

from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.experts.evaluate import (
    PROTOCOLS,
    SUMMARY,
    WORKERS,
    evaluate_expert,
    run_protocol,
    summarize,
)
from mocapact_core.files import sha256
from mocapact_core.humanoid.model import JOINTS
from mocapact_core.humanoid.physics import Physics
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import MODEL, NORMALIZER
from mocapact_core.settings import EvaluationSettings, TrackingSettings
from mocapact_core.tasks.episodes import Episodes
from mocapact_core.tasks.measures import MEASURES
from mocapact_core.tasks.references import References
from mocapact_core.tasks.task import ALL
from mocapact_core.tasks.tracking import TrackingTask
from tests.experts.conftest import SNIPPET
from tests.tasks.oracle import tracking_environment

SETTINGS = EvaluationSettings(rsi_episodes=7, start_episodes=2, min_steps=30)


@pytest.fixture(scope="module")
def evaluated(motion, expert_folder):
    evaluate_expert(motion, SNIPPET, expert_folder, SETTINGS, TrackingSettings(), seed=3)
    arrays = {name: dict(np.load(expert_folder / f"evaluation/{name}.npz")) for name in PROTOCOLS}
    return arrays, json.loads((expert_folder / "evaluation.json").read_text())


def test_published_keys_and_counts(evaluated):
    for protocol, arrays in evaluated[0].items():
        assert set(arrays) == {"ep_rews", "ep_lens", "ep_norm_rews", "ep_norm_lens", "rews_per_step"}
        expected = SETTINGS.rsi_episodes if "rsi" in protocol else SETTINGS.start_episodes
        assert all(len(values) == expected for values in arrays.values())
        assert (arrays["ep_norm_lens"] <= 1).all()
        np.testing.assert_allclose(arrays["rews_per_step"], arrays["ep_rews"] / arrays["ep_lens"])


def test_noise_is_off_in_table_1_and_on_in_table_9(evaluated):
    arrays, _ = evaluated
    assert arrays["start"]["ep_rews"][0] == arrays["start"]["ep_rews"][1]
    assert arrays["start_noisy"]["ep_rews"][0] != arrays["start_noisy"]["ep_rews"][1]


def test_the_summary_is_the_mean(evaluated):
    arrays, summary = evaluated
    for protocol, measured in summary["protocols"].items():
        assert measured["normalized_reward"]["mean"] == arrays[protocol]["ep_norm_rews"].mean()
        assert measured["normalized_length"]["mean"] == arrays[protocol]["ep_norm_lens"].mean()


def test_the_summary_tells_its_provenance(evaluated, motion, expert_folder):
    record = evaluated[1]["provenance"]
    assert record["settings"]["evaluation"] == SETTINGS.model_dump()
    assert record["seed"] == 3
    assert record["inputs"] == {
        "clip": sha256(motion),
        "best_model.zip": sha256(expert_folder / MODEL),
        "vecnormalize.pkl": sha256(expert_folder / NORMALIZER),
    }


class Recording(TrackingTask):
    """Keeps the actions that each world is given."""

    def step(self, actions, worlds=ALL):
        for world, action in zip(np.arange(self.n_worlds)[worlds], actions, strict=True):
            self.taken[world].append(action)
        return super().step(actions, worlds)


def in_dm_control(motion, actions) -> dict[str, np.ndarray]:
    """Reward and errors of every step in dm_control's environment, from the start of the snippet to the end."""
    environment = tracking_environment(motion, [SNIPPET], (1, 2, 3, 4, 5), always_init_at_clip_start=True)
    environment.reset()
    task, steps = environment.task, []
    walker = task._walker
    for action in actions:
        timestep = environment.step(action)
        frame = {name: values[task._time_step] for name, values in task._clip_reference_features.items()}
        place = environment.physics.bind(walker.mocap_tracking_bodies).xpos
        root = environment.physics.bind(walker.root_body).xpos
        steps.append(
            {
                "rewards": timestep.reward,
                "joints": abs(environment.physics.bind(walker.mocap_joints).qpos - frame["joints"]),
                "bodies": [np.linalg.norm(one) for one in place - frame["body_positions"]],
                "aligned": [
                    np.linalg.norm(one)
                    for one in (place - root) - (frame["body_positions"] - frame["position"])
                ],
                "last": timestep.last(),
                "failed": timestep.last() and timestep.discount == 0,
            }
        )
    assert tuple(joint.name for joint in walker.mocap_joints) == JOINTS
    return {name: np.array([step[name] for step in steps]) for name in steps[0]}


@pytest.mark.parametrize("protocol", ["start", "start_noisy"])
def test_the_same_actions_measure_the_same_in_dm_control(protocol, evaluated, motion, expert_folder):
    segment = read_trajectory(motion).segment(SNIPPET.start, SNIPPET.end)
    task = Recording(References([segment]), WORKERS)  # of other numbers, the last bits would be others
    task.taken = [[] for _ in range(WORKERS)]
    run_protocol(protocol, task, Expert.load(expert_folder), SNIPPET, SETTINGS, seed=3)
    truth = [in_dm_control(motion, actions) for actions in task.taken[: SETTINGS.start_episodes]]

    arrays, summary = evaluated[0][protocol], evaluated[1]["protocols"][protocol]
    horizon = SNIPPET.end - SNIPPET.start - 5
    for episode, steps in enumerate(truth):
        assert steps["last"].tolist() == [False] * (len(steps["last"]) - 1) + [True]
        assert arrays["ep_lens"][episode] == len(steps["last"])
        assert arrays["ep_norm_lens"][episode] == len(steps["last"]) / horizon
        assert arrays["ep_rews"][episode] == pytest.approx(steps["rewards"].sum(), rel=1e-9)
        assert arrays["ep_norm_rews"][episode] == pytest.approx(steps["rewards"].sum() / horizon, rel=1e-9)
        assert arrays["rews_per_step"][episode] == pytest.approx(steps["rewards"].mean(), rel=1e-9)

    def mean(name, of=np.mean):
        return pytest.approx(np.mean([of(steps[name]) for steps in truth]), rel=1e-6)

    assert summary["reward_per_step"]["mean"] == mean("rewards")
    assert summary["joint_angle_error"]["mean"] == mean("joints")
    assert summary["mpjpe"]["mean"] / 1000 == mean("bodies")
    assert summary["mpjpe_root_aligned"]["mean"] / 1000 == mean("aligned")
    assert summary["success_rate"] == 1 - mean("failed", np.any).expected
    for index, name in enumerate(JOINTS):
        assert summary["joint_angle_errors"][name] == mean(
            "joints", lambda steps, i=index: steps[:, i].mean()
        )


def test_an_episode_succeeds_when_it_reaches_the_end():
    """Whatever it earned on the way."""
    terminated = np.array([False, True, False, False])
    ones = np.ones(4)
    episodes = Episodes(ones, ones, ones, ones, ones, terminated, np.ones((4, 56)), ones, ones)
    assert summarize(episodes, seed=0)["success_rate"] == 0.75


def test_every_protocol_has_every_measure(evaluated):
    summary = evaluated[1]
    assert set(summary["protocols"]) == set(PROTOCOLS)
    for protocol, measured in summary["protocols"].items():
        assert measured["noise"] == (0.1 if "noisy" in protocol else 0.0)
        assert measured["episodes"] == len(evaluated[0][protocol]["ep_rews"])
        for name in MEASURES:
            assert measured[name]["low"] <= measured[name]["mean"] * (1 + 1e-12)
            assert measured[name]["mean"] <= measured[name]["high"] * (1 + 1e-12)
        joints = measured["joint_angle_errors"]
        assert set(joints) == set(JOINTS)
        assert np.mean(list(joints.values())) == pytest.approx(measured["joint_angle_error"]["mean"])


def test_worlds_of_another_expert_and_a_second_time_change_nothing(
    evaluated, motion, expert_folder, tmp_path
):
    """To the bit, and nothing is run again that resumes."""
    physics = Physics(WORKERS)
    folder = tmp_path / "again"
    shutil.copytree(expert_folder, folder)
    shutil.rmtree(folder / "evaluation")
    other = EvaluationSettings(rsi_episodes=1, start_episodes=2, min_steps=50)
    arguments = motion, SNIPPET, folder
    first = evaluate_expert(*arguments, other, TrackingSettings(), 4, physics)
    assert evaluate_expert(*arguments, SETTINGS, TrackingSettings(), 3, physics, resume=True) == evaluated[1]
    for file in [SUMMARY, *(f"evaluation/{protocol}.npz" for protocol in PROTOCOLS)]:
        assert (folder / file).read_bytes() == (expert_folder / file).read_bytes()
    written = (folder / SUMMARY).stat().st_mtime_ns
    assert evaluate_expert(*arguments, SETTINGS, TrackingSettings(), 3, physics, resume=True) == evaluated[1]
    assert (folder / SUMMARY).stat().st_mtime_ns == written
    assert evaluate_expert(*arguments, other, TrackingSettings(), 4, physics, resume=True) == first
