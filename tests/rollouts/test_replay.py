"""Replays of own files are exact, those of dm_control's as close as the two simulators, those of changed files tell."""

import json
import shutil

import h5py
import mujoco
import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.trajectory import Trajectory, write_trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import PROPRIOCEPTION
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.replay import replay
from mocapact_core.rollouts.statistics import NO_STATISTICS, Statistics
from mocapact_core.rollouts.validate import validate
from mocapact_core.tasks.tracking import OBSERVABLES, REFERENCE
from tests.rollouts.conftest import TURN
from tests.rollouts.synthetic import SIZES


@pytest.fixture(scope="module")
def replayed(recorded):
    return replay(recorded.full, recorded.clip, episodes=6)


def test_whole_episodes_are_equal_to_the_bit(replayed):
    assert len(replayed.from_start) == 12
    for course in replayed.from_start:
        assert (course.drift, course.reward_difference) == (0, 0)
        assert course.same_end
        assert course.first_over == {"1e-06": None, "0.001": None}
    assert "12 are equal to the bit; 12 end alike" in str(replayed)


def test_one_step_from_a_recorded_state_leads_to_the_next(replayed):
    """As far as 32 bits can tell: forces and velocities magnify their rounding."""
    assert replayed.one_step.keys() == {*PROPRIOCEPTION, *REFERENCE} - {"reference_ego_bodies_quats"}
    for name, drift in replayed.one_step.items():
        assert 0 <= drift.median <= drift.percentile_99 <= drift.largest
        assert drift.median < 1e-5, name
    for name in ("position", "orientation", "reference_rel_bodies_pos_global", "reference_rel_root_quat"):
        assert replayed.one_step[name].largest < 1e-5, name


def test_the_report_as_json(replayed, recorded):
    content = json.loads(replayed.to_json())
    assert content["recorded_with"] == content["replayed_with"] == mujoco.__version__
    assert (content["n_episodes"], len(content["from_start"])) == (12, 12)
    assert content["path"] == str(recorded.full)


def test_without_a_clip_and_from_a_compact_file(recorded):
    replayed = replay(recorded.compact, episodes=2)
    assert replayed.n_episodes == 4
    assert replayed.one_step.keys() == PROPRIOCEPTION.keys()
    assert replayed.one_step["position"].largest < 1e-5
    assert replayed.from_start == [] and "--clip names the motion" in str(replayed)
    assert all(course.drift == 0 for course in replay(recorded.compact, recorded.clip, 2).from_start)


def test_another_action_is_noticed_where_it_was(recorded, tmp_path):
    path = shutil.copy(recorded.full, tmp_path / "turn.hdf5")
    with h5py.File(path, "r+") as file:
        file["turn-0-40/0/actions"][6] *= -1
        del file.attrs["provenance"]
    replayed = replay(path, recorded.clip, episodes=2)
    assert "recorded with MuJoCo not recorded" in str(replayed)
    changed, *others = replayed.from_start
    assert (changed.snippet, changed.episode) == ("turn-0-40", 0)
    assert changed.first_over == {"1e-06": 7, "0.001": 7}
    assert all(course.drift == 0 for course in others)
    assert replayed.one_step["joints_vel"].largest > 0.1
    assert replayed.one_step["joints_vel"].median < 1e-5


@pytest.mark.parametrize("name", ["sensors_velocimeter", "sensors_gyro", "joints_vel", "actuator_activation"])
def test_every_part_of_the_state_matters(recorded, tmp_path, name):
    """Without one of them, the step leads elsewhere."""
    path = shutil.copy(recorded.compact, tmp_path / "turn.hdf5")
    with layout.open_rollouts(path) as file:
        columns = layout.observable_columns(file)[name]
    with h5py.File(path, "r+") as file:
        for k in range(6):
            file[f"turn-30-80/{k}/observations/proprioceptive"][:, columns] *= 0.9
    assert replay(path).one_step["joints_pos"].largest > 1e-4


def test_what_dm_control_recorded_is_replayed(recorded, tmp_path):
    """As published files are: another simulator, no provenance."""
    path = tmp_path / "turn.hdf5"
    lengths = record_with_dm_control(path, recorded.clip)
    assert validate(path).usable, str(validate(path))
    replayed = replay(path, recorded.clip)
    assert replayed.recorded_with == "not recorded"
    assert [course.steps for course in replayed.from_start] == lengths
    for course in replayed.from_start:
        assert course.same_end
        assert course.drift < 1e-4 and course.reward_difference < 1e-6
    for name, drift in replayed.one_step.items():
        assert drift.median < 1e-5, name


def record_with_dm_control(path, clip):
    """Two episodes from the start of a snippet, as MoCapAct's own code writes them; their lengths."""
    from tests.tasks.oracle import tracking_environment

    snippet = TURN[1]
    environment = tracking_environment(clip, [snippet], (1, 2, 3, 4, 5), always_init_at_clip_start=True)
    episodes, failed = [], []
    for seed in range(2):
        episode, discount = dm_control_episode(environment, np.random.default_rng(seed))
        episodes.append(episode)
        failed.append(discount == 0)
    lengths = np.array([len(episode) for episode in episodes])
    returns = np.array([episode.rewards.sum() for episode in episodes])
    horizon = snippet.n_steps - 5
    with h5py.File(path, "w") as file:
        layout.write_header(file, SIZES, (1, 2, 3, 4, 5), 2, 0)
        for k, episode in enumerate(episodes):
            layout.write_episode(file, snippet.name, k, episode)
        metrics = layout.EpisodeMetrics(
            returns, lengths, returns / horizon, lengths / horizon, np.array(failed)
        )
        layout.write_metrics(file, snippet.name, 2, metrics)
        statistics = sum((Statistics.of(episode) for episode in episodes), start=NO_STATISTICS)
        layout.write_statistics(file, statistics.published())
    return lengths.tolist()


def dm_control_episode(environment, rng):
    """With values of 0, of which the advantages are discounted sums of rewards."""
    step = environment.reset()
    observations, actions, rewards = [step.observation], [], []
    while not step.last():
        actions.append(rng.uniform(-0.5, 0.5, 56).astype(np.float32))
        step = environment.step(actions[-1])
        observations.append(step.observation)
        rewards.append(np.float32(step.reward))
    rows = [
        np.concatenate([np.ravel(seen[f"walker/{name}"]) for name in OBSERVABLES]) for seen in observations
    ]
    discounts = (0.95 * 0.95) ** np.arange(len(rewards))
    episode = layout.Episode(
        observations=np.array(rows, np.float32),
        actions=np.array(actions),
        mean_actions=np.zeros((len(actions), 56), np.float32),
        rewards=np.array(rewards),
        values=np.zeros(len(actions), np.float32),
        advantages=np.array(
            [np.dot(rewards[t:], discounts[: len(rewards) - t]) for t in range(len(rewards))]
        ),
    )
    return episode, step.discount


def test_bad_input_is_told(recorded, tmp_path):
    march = builtin_trajectory("march")
    other = {name: value for name, value in vars(march).items() if name != "name"}
    write_trajectory(tmp_path / "march.h5", Trajectory("turn", **other))
    with pytest.raises(InputError, match=r"does not begin at step 0 of this motion.*Give the motion"):
        replay(recorded.full, tmp_path / "march.h5")
    for name, clip in (("joints_vel", None), ("time_in_clip", recorded.clip)):
        with h5py.File(shutil.copy(recorded.full, tmp_path / "less.hdf5"), "r+") as file:
            del file[f"observable_indices/walker/{name}"]
        with pytest.raises(InputError, match=f"do not hold {name}, which a replay needs"):
            replay(tmp_path / "less.hdf5", clip)
