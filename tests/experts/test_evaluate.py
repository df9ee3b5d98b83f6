"""Evaluation of an expert against dm_control's own environment."""

import json

import numpy as np
import pytest

from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.config import EvaluationSettings, TrackingSettings
from mocapact_core.experts.evaluate import PROTOCOLS, WORKERS, evaluate_expert
from mocapact_core.files import sha256
from mocapact_core.policies.expert import MODEL, NORMALIZER, Expert
from mocapact_core.tasks.episodes import run_episodes
from mocapact_core.tasks.references import References
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
    for protocol, means in summary["protocols"].items():
        assert means["normalized_reward"] == pytest.approx(arrays[protocol]["ep_norm_rews"].mean())
        assert means["normalized_length"] == pytest.approx(arrays[protocol]["ep_norm_lens"].mean())


def test_the_summary_tells_its_provenance(evaluated, motion, expert_folder):
    record = evaluated[1]["provenance"]
    assert record["settings"]["evaluation"] == SETTINGS.model_dump()
    assert record["seed"] == 3
    assert record["inputs"] == {
        "clip": sha256(motion),
        "model": sha256(expert_folder / MODEL),
        "normalizer": sha256(expert_folder / NORMALIZER),
    }


class Actions:
    """Keeps the actions of the first episode."""

    def __init__(self):
        self.taken = []

    def record(self, episodes, observation, mean_actions, actions, step):
        self.taken += [action for episode, action in zip(episodes, actions, strict=True) if episode == 0]

    def finish(self, episodes, last_observation):
        pass


def test_an_episode_in_dm_control_earns_the_same(evaluated, motion, expert_folder):
    """Its actions, taken in dm_control's environment, earn what the evaluation says."""
    expert, recorder = Expert.load(expert_folder), Actions()
    segment = read_trajectory(motion).segment(SNIPPET.start, SNIPPET.end)
    task, zeros = TrackingTask(References([segment]), WORKERS), np.zeros(SETTINGS.start_episodes, int)
    run_episodes(task, zeros, zeros, lambda o, state, _: expert.predict(o, state), recorder=recorder)
    environment = tracking_environment(motion, [SNIPPET], (1, 2, 3, 4, 5), always_init_at_clip_start=True)
    environment.reset()
    timesteps = [environment.step(action) for action in recorder.taken]
    assert [timestep.last() for timestep in timesteps] == [False] * (len(timesteps) - 1) + [True]
    start, total = evaluated[0]["start"], sum(timestep.reward for timestep in timesteps)
    assert start["ep_lens"][0] == len(timesteps)
    assert start["ep_rews"][0] == pytest.approx(total, rel=1e-9)
    assert start["ep_norm_rews"][0] == pytest.approx(start["ep_rews"][0] / (SNIPPET.end - SNIPPET.start - 5))
