"""Collected rollouts against a replay, dm_control, the expert itself and closed forms."""

import json
import shutil

import h5py
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.envs import TaskVecEnv
from mocapact_core.errors import InputError
from mocapact_core.experts.learner import make_model
from mocapact_core.files import sha256
from mocapact_core.humanoid import render
from mocapact_core.humanoid.cameras import Cameras
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import MODEL, NORMALIZER
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.collect import advantages, collect_rollouts
from mocapact_core.rollouts.statistics import NO_STATISTICS, Statistics
from mocapact_core.settings import ExpertSettings, RolloutSettings, TrackingSettings
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import OBSERVABLES, TrackingTask
from tests.rollouts.synthetic import SIZES

SNIPPETS = [Snippet("wave", 0, 40), Snippet("wave", 30, 90)]
SETTINGS = RolloutSettings(start_rollouts=2, rsi_rollouts=4, min_steps=5, noise=0.1, workers=4)
LAST_STEPS = {"wave-0-40": 35, "wave-30-90": 55}


@pytest.fixture(scope="module")
def experts(builtin_motion, tmp_path_factory):
    """Untrained experts, each of its own weights, that have seen some states: they soon fall."""
    folder = tmp_path_factory.mktemp("experts")
    for seed, snippet in enumerate(SNIPPETS):
        references = References.of_snippets([snippet], read_trajectory(builtin_motion, snippet.clip))
        env = VecNormalize(TaskVecEnv(TrackingTask(references, 8, seed=seed)))
        env.reset()
        rng = np.random.default_rng(seed)
        for _ in range(20):
            env.step(rng.uniform(-0.3, 0.3, (8, 56)).astype(np.float32))
        model = make_model(env, ExpertSettings(hidden=[16], workers=8, steps_per_update=64), seed)
        with torch.no_grad():
            model.policy.action_net.weight.mul_(20)  # so that actions depend on what is observed
            model.policy.action_net.bias[0] = 1.0  # so that some meet their limit
        (folder / snippet.name / MODEL).parent.mkdir(parents=True)
        save_model(model, folder / snippet.name / MODEL, provenance={})
        save_normalizer(env, folder / snippet.name / NORMALIZER)
    return folder


@pytest.fixture(scope="module")
def collect(builtin_motion, experts):
    def call(path, snippets=SNIPPETS, settings=SETTINGS, seed=3):
        collect_rollouts(builtin_motion, snippets, experts, path, settings, TrackingSettings(), seed)
        return path

    return call


@pytest.fixture(scope="module")
def collected(collect, tmp_path_factory):
    """(path, {snippet: episodes}, {snippet: metrics})"""
    path = collect(tmp_path_factory.mktemp("rollouts") / "wave.hdf5")
    with layout.open_rollouts(path) as file:
        episodes = {s.name: list(layout.read_episodes(file, s.name)) for s in SNIPPETS}
        metrics = {s.name: layout.read_metrics(file, s.name) for s in SNIPPETS}
    return path, episodes, metrics


def columns(name):
    ends = dict(zip(sorted(SIZES), np.cumsum([SIZES[key] for key in sorted(SIZES)]), strict=True))
    return slice(ends[name] - SIZES[name], ends[name])


def first_step(snippet, episode):
    """The step of the snippet at which an episode began, from its first observation."""
    return round(float(episode.observations[0, columns("time_in_clip")][0]) * snippet.n_steps)


def test_the_header_is_the_published_one(collected):
    with layout.open_rollouts(collected[0]) as file:
        assert file["n_start_rollouts"][()] == 2 and file["n_rsi_rollouts"][()] == 4
        assert file["ref_steps"][:].tolist() == [1, 2, 3, 4, 5]
        indices = layout.observable_columns(file)
    assert {name: len(of) for name, of in indices.items()} == SIZES
    np.testing.assert_array_equal(np.concatenate(list(indices.values())), np.arange(2868))


def test_episodes_from_the_start_come_first_and_the_others_spread(collected):
    for snippet in SNIPPETS:
        starts = [first_step(snippet, episode) for episode in collected[1][snippet.name]]
        assert starts[:2] == [0, 0] and len(starts) == 6
        assert all(start <= LAST_STEPS[snippet.name] - 5 for start in starts)
        assert len(set(starts[2:])) > 1


def test_a_replay_of_the_actions_observes_the_same(collected, builtin_motion):
    trajectory = read_trajectory(builtin_motion, "wave")
    for snippet in SNIPPETS:
        task = TrackingTask(References.of_snippets([snippet], trajectory), 1, observables=OBSERVABLES)
        for episode in collected[1][snippet.name]:
            task.start(slice(None), np.array([0]), np.array([first_step(snippet, episode)]))
            np.testing.assert_array_equal(task.observe()[0], episode.observations[0])
            for t, action in enumerate(episode.actions):
                step = task.step(action[None])
                np.testing.assert_array_equal(task.observe()[0], episode.observations[t + 1])
                assert np.float32(step.reward[0]) == episode.rewards[t]
                assert step.done[0] == (t == len(episode) - 1)


def test_dm_control_gives_the_same_rewards(collected, builtin_motion):
    from tests.tasks.oracle import tracking_environment

    snippet = SNIPPETS[1]
    environment = tracking_environment(
        builtin_motion, [snippet], (1, 2, 3, 4, 5), always_init_at_clip_start=True
    )
    for k in (0, 1):
        episode = collected[1][snippet.name][k]
        environment.reset()
        steps = [environment.step(action) for action in episode.actions]
        np.testing.assert_allclose([step.reward for step in steps], episode.rewards, rtol=1e-6)
        assert [step.last() for step in steps] == [False] * (len(episode) - 1) + [True]
        assert (steps[-1].discount == 0) == collected[2][snippet.name].early_termination[k]


def test_actions_are_the_expert_with_noise(collected, experts):
    noise = []
    for snippet in SNIPPETS:
        expert = Expert.load(experts / snippet.name)
        inputs = np.concatenate([np.arange(2868)[columns(name)] for name in expert.observables])
        for episode in collected[1][snippet.name]:
            observed = episode.observations[:-1, inputs]
            mean = expert.predict(observed)[0]
            np.testing.assert_allclose(episode.mean_actions, np.clip(mean, -1, 1), atol=1e-5)
            np.testing.assert_allclose(episode.values, expert.value(observed), rtol=1e-5, atol=1e-6)
            assert np.abs(episode.actions).max() == 1, "actions that meet their limit are clipped"
            noise.append((episode.actions - mean)[np.abs(episode.actions) < 1])
    noise = np.concatenate(noise)
    assert len(noise) > 2000
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 0.1], atol=0.01)


def test_every_episode_has_noise_of_its_own(collected):
    first = [e.actions[0] - e.mean_actions[0] for of in collected[1].values() for e in of]
    correlation = np.corrcoef(first)[~np.eye(len(first), dtype=bool)]
    assert np.abs(correlation).max() < 0.6  # 56 numbers: a standard deviation of 0.13


def test_metrics_are_those_of_the_episodes(collected):
    for snippet in SNIPPETS:
        episodes, metrics = collected[1][snippet.name], collected[2][snippet.name]
        horizons = LAST_STEPS[snippet.name] - np.array([first_step(snippet, e) for e in episodes])
        lengths = np.array([len(e) for e in episodes])
        returns = np.array([e.rewards.astype(np.float64).sum() for e in episodes])
        np.testing.assert_array_equal(metrics.episode_lengths, lengths)
        np.testing.assert_allclose(metrics.episode_returns, returns, rtol=1e-6)
        np.testing.assert_allclose(metrics.norm_episode_lengths, lengths / horizons, rtol=1e-12)
        np.testing.assert_allclose(metrics.norm_episode_returns, returns / horizons, rtol=1e-6)
        assert (metrics.early_termination | (lengths == horizons)).all()
    ended = np.concatenate([metrics.early_termination for metrics in collected[2].values()])
    assert ended.any() and not ended.all(), "the test is to see both ways an episode can end"


def test_statistics_are_those_of_the_file(collected):
    path, episodes, _ = collected
    expected = sum((Statistics.of(e) for of in episodes.values() for e in of), NO_STATISTICS).published()
    with layout.open_rollouts(path) as file:
        for name in layout.STATISTICS:
            np.testing.assert_allclose(file[f"stats/{name}"][()], expected[name], rtol=1e-6, atol=1e-10)


def test_advantages_are_the_double_sum(collected):
    for episode in collected[1]["wave-30-90"]:
        rewards, values = episode.rewards.astype(float), np.append(episode.values.astype(float), 0)
        errors = rewards + 0.95 * values[1:] - values[:-1]
        expected = [
            sum((0.95 * 0.95) ** (later - t) * errors[later] for later in range(t, len(errors)))
            for t in range(len(errors))
        ]
        np.testing.assert_allclose(episode.advantages, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            advantages(episode.rewards, episode.values), expected, rtol=1e-10, atol=1e-12
        )


def test_the_same_seed_makes_the_same_bytes(collected, collect, tmp_path):
    assert sha256(collect(tmp_path / "again.hdf5")) == sha256(collected[0])
    collect(tmp_path / "other.hdf5", SNIPPETS[:1], seed=4)
    with h5py.File(tmp_path / "other.hdf5") as file:
        assert not np.array_equal(file["wave-0-40/0/actions"][0], collected[1]["wave-0-40"][0].actions[0])


def test_the_file_tells_its_provenance(collected, builtin_motion, experts):
    with h5py.File(collected[0]) as file:
        record = json.loads(file.attrs["provenance"])
    assert record["settings"]["rollouts"] == SETTINGS.model_dump(exclude={"threads"})
    assert record["seed"] == 3
    assert len(record["inputs"]) == 1 + 2 * len(SNIPPETS)
    assert record["inputs"]["clip"] == sha256(builtin_motion)
    assert record["inputs"]["wave-0-40 best_model.zip"] == sha256(experts / "wave-0-40" / MODEL)


def test_a_snippet_does_not_depend_on_those_beside_it(collected, collect, tmp_path):
    with h5py.File(collect(tmp_path / "one.hdf5", SNIPPETS[1:])) as file:
        for k, episode in enumerate(collected[1]["wave-30-90"]):
            np.testing.assert_array_equal(file[f"wave-30-90/{k}/actions"], episode.actions)


def test_threads_do_not_change_a_byte(collected, collect, tmp_path):
    more = SETTINGS.model_copy(update={"threads": 3})
    assert sha256(collect(tmp_path / "threads.hdf5", settings=more)) == sha256(collected[0])


def test_workers_do_not_change_what_is_collected(collected, collect, tmp_path):
    """Not even its last bits, though experts then see other numbers of worlds at a time."""
    fewer = SETTINGS.model_copy(update={"workers": 3})
    with layout.open_rollouts(collect(tmp_path / "workers.hdf5", settings=fewer)) as file:
        for snippet, episodes in collected[1].items():
            for k, episode in enumerate(episodes):
                for name, array in vars(layout.read_episode(file, snippet, k)).items():
                    np.testing.assert_array_equal(array, getattr(episode, name))


def test_compressed_files_hold_the_same(collected, collect, tmp_path):
    compressed = SETTINGS.model_copy(update={"compression": 4})
    path = collect(tmp_path / "compressed.hdf5", settings=compressed)
    assert path.stat().st_size < 0.9 * collected[0].stat().st_size
    with h5py.File(path) as file, h5py.File(collected[0]) as plain:
        names = []
        plain.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            np.testing.assert_array_equal(file[name][()], plain[name][()])
            assert file[name].dtype == plain[name].dtype
        array = file["wave-30-90/0/observations/proprioceptive"]
        assert (array.compression, array.shuffle, array.chunks[1]) == ("gzip", True, 2868)
    assert sha256(collect(tmp_path / "again.hdf5", settings=compressed)) == sha256(path)


@pytest.mark.parametrize("asked", ["proprioception", ["joints_pos", "body_height", "reference_rel_joints"]])
def test_some_of_the_observables(asked, collected, collect, tmp_path):
    some = SETTINGS.model_copy(update={"observables": asked})
    with layout.open_rollouts(collect(tmp_path / "some.hdf5", settings=some)) as file:
        indices = layout.observable_columns(file)
        if asked == "proprioception":
            assert set(indices) == {name for name in SIZES if not name.startswith("reference_")}
        else:
            assert set(indices) == set(asked)
        assert np.concatenate(list(indices.values())).tolist() == list(range(len(file["stats/proprio_mean"])))
        for k, episode in enumerate(collected[1]["wave-30-90"]):
            found = layout.read_episode(file, "wave-30-90", k)
            for name, own in indices.items():
                np.testing.assert_array_equal(
                    found.observations[:, own], episode.observations[:, columns(name)]
                )
            np.testing.assert_array_equal(found.values, episode.values)


@pytest.mark.skipif(not render.available(), reason="nothing can be rendered here")
def test_pictures_are_those_of_the_recorded_states(collected, collect, builtin_motion, tmp_path):
    names = ["egocentric_camera", "body_camera"]
    seeing = SETTINGS.model_copy(
        update={"cameras": names, "start_rollouts": 1, "rsi_rollouts": 2, "workers": 2}
    )
    path = collect(tmp_path / "pictures.hdf5", SNIPPETS[:1], seeing)
    trajectory = read_trajectory(builtin_motion, "wave")
    task = TrackingTask(References.of_snippets(SNIPPETS[:1], trajectory), 1, observables=OBSERVABLES)
    with h5py.File(path) as file, Cameras(names) as cameras:
        for k in range(3):
            group = file[f"wave-0-40/{k}"]
            observations = group["observations/proprioceptive"][:]
            begin = round(float(observations[0, columns("time_in_clip")][0]) * 40)
            task.start(slice(None), np.array([0]), np.array([begin]))
            for t in range(len(observations)):
                if t:
                    task.step(group["actions"][t - 1][None])
                for name, picture in cameras.pictures(task.physics.data(0)).items():
                    np.testing.assert_array_equal(group[f"observations/walker/{name}"][t], picture)
        assert group["observations/walker/body_camera"].shape == (len(observations), 64, 64, 3)
        assert group["observations/walker/body_camera"].dtype == np.uint8


def test_one_kind_of_start_is_enough(collect, tmp_path):
    settings = SETTINGS.model_copy(update={"start_rollouts": 0, "rsi_rollouts": 2})
    with layout.open_rollouts(collect(tmp_path / "rsi.hdf5", SNIPPETS[:1], settings)) as file:
        assert len(list(layout.read_episodes(file, "wave-0-40"))) == 2
        assert file["wave-0-40/start_metrics/episode_lengths"].shape == (0,)


@pytest.mark.parametrize("before", [b"the old file", None])
def test_an_interruption_leaves_the_old_file_or_none(before, collect, tmp_path, monkeypatch):
    path = tmp_path / "wave.hdf5"
    if before:
        path.write_bytes(before)
    write, written = layout.write_episode, []

    def interrupted(*arguments):
        if len(written) == 7:
            raise KeyboardInterrupt
        written.append(write(*arguments))

    monkeypatch.setattr(layout, "write_episode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        collect(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([before] if before else [])


def test_bad_input_is_told_and_leaves_no_file(collect, experts, tmp_path):
    path = tmp_path / "x.hdf5"
    nothing = SETTINGS.model_copy(update={"start_rollouts": 0, "rsi_rollouts": 0})
    with pytest.raises(InputError, match="both 0"):
        collect(path, settings=nothing)
    with pytest.raises(InputError, match="no expert"):
        collect(path, snippets=[*SNIPPETS, Snippet("wave", 0, 50)])
    with pytest.raises(InputError, match=r"joint_pos.*joints_pos"):
        collect(path, settings=SETTINGS.model_copy(update={"observables": ["joint_pos"]}))
    shutil.copytree(experts / "wave-0-40", experts / "wave-0-5")
    with pytest.raises(InputError, match="too short"):
        collect(path, snippets=[Snippet("wave", 0, 5)])
    assert not list(tmp_path.iterdir())
