"""Exported datasets through Minari itself, against the rollout files read with h5py; and back again."""

import sys

import gymnasium
import h5py
import minari
import numpy as np
import pytest

from mocapact_core.cli import main
from mocapact_core.errors import InputError
from mocapact_core.rollouts.minari import export_minari, import_minari
from tests.rollouts.synthetic import write_synthetic_rollouts

NAME = "mocapact/turn-v0"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Where Minari's datasets are."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("minari")
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        yield folder


@pytest.fixture(scope="module")
def exported(root, recorded):
    """Two snippets with six episodes each."""
    export_minari([recorded.full], NAME, motion=lambda clip: recorded.clip, author="The testers")
    return minari.load_dataset(NAME)


def arrays(path):
    """Everything in an HDF5 file: arrays by their paths, and the attributes."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
        return found, dict(file.attrs)


def assert_equal(path, other):
    (found, attributes), (expected, expected_attributes) = arrays(path), arrays(other)
    assert found.keys() == expected.keys()
    assert attributes == expected_attributes
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_minari_reads_what_h5py_reads(exported, recorded):
    assert minari.list_local_datasets().keys() == {NAME}
    with h5py.File(recorded.full) as file:
        expected = [file[f"{name}/{k}"] for name in ("turn-0-40", "turn-30-80") for k in range(6)]
        failed = np.concatenate([file[f"{name}/early_termination"] for name in ("turn-0-40", "turn-30-80")])
        assert len(exported) == 12 and exported.total_steps == sum(len(e["rewards"]) for e in expected)
        for episode, group, fails in zip(exported.iterate_episodes(), expected, failed, strict=True):
            np.testing.assert_array_equal(episode.observations, group["observations/proprioceptive"])
            for name in ("actions", "rewards"):
                np.testing.assert_array_equal(getattr(episode, name), group[name])
            for name in ("mean_actions", "values", "advantages"):
                np.testing.assert_array_equal(episode.infos[name][:-1], group[name])
                assert np.isnan(episode.infos[name][-1]).all()
            assert episode.terminations[-1] == fails and episode.truncations[-1] != fails
            assert not (episode.terminations | episode.truncations)[:-1].any()
            assert {len(array) for array in episode.infos.values()} == {len(episode) + 1}
        assert failed.any() and not failed.all(), "the test is to see both ways an episode can end"


def test_spaces_contain_the_data(exported):
    assert exported.action_space == gymnasium.spaces.Box(-1, 1, (56,), np.float32)
    assert exported.observation_space == gymnasium.spaces.Box(-np.inf, np.inf, (2868,), np.float32)
    for episode in exported.sample_episodes(4):
        assert all(exported.observation_space.contains(row) for row in episode.observations)
        assert all(exported.action_space.contains(row) for row in episode.actions)


def test_metadata_tell_what_it_is(exported):
    metadata = exported.storage.metadata
    assert metadata["author"] == {"The testers"}
    assert metadata["license"] == "unknown" and "not known here: turn." in metadata["description"]
    assert metadata["algorithm_name"] == "PPO"
    assert any(line.startswith("mujoco==") for line in metadata["requirements"])
    columns = metadata["observable_columns"]
    assert columns["appendages_pos"] == [56, 71] and columns["world_zaxis"] == [2865, 2868]


def test_the_recovered_environment_repeats_the_episodes(exported, recorded):
    """Begun with the options of an episode, its actions lead to its observations and rewards."""
    env = exported.recover_environment(motion=str(recorded.clip))
    assert env.observation_space == exported.observation_space
    for index in (1, 5, 10):
        [metadata] = exported.storage.get_episode_metadata([index])
        episode = exported[index]
        observation, _ = env.reset(options=metadata["options"])
        np.testing.assert_array_equal(observation, episode.observations[0])
        for t, action in enumerate(episode.actions):
            observation, reward, terminated, truncated, _ = env.step(action)
            np.testing.assert_array_equal(observation, episode.observations[t + 1])
            assert np.float32(reward) == episode.rewards[t]
            assert (terminated, truncated) == (episode.terminations[t], episode.truncations[t])
        snippets = env.spec.kwargs["snippets"]
        assert snippets[metadata["options"]["snippet"]] == metadata["snippet"]
        first, size = episode.infos["step"][0], [40, 50][episode.infos["snippet"][0]]
        time = exported.storage.metadata["observable_columns"]["time_in_clip"][0]
        assert episode.observations[0, time] == pytest.approx(first / size)


def test_scores_run_from_random_actions_to_the_experts(exported, recorded):
    metadata = exported.storage.metadata
    returns = [episode.rewards.sum(dtype=np.float64) for episode in exported]
    assert metadata["ref_max_score"] == pytest.approx(np.mean(returns), rel=1e-6)
    assert metadata["num_episodes_average_score"] == 12
    env = exported.recover_environment(motion=str(recorded.clip))
    rng, random = np.random.default_rng(5), []
    for data in exported.storage.get_episode_metadata(range(12)):
        for _ in range(5):
            env.reset(options=data["options"])
            total, done = 0.0, False
            while not done:
                _, reward, *ends, _ = env.step(rng.uniform(-1, 1, 56).astype(np.float32))
                total, done = total + reward, any(ends)
            random.append(total)
    spread = np.std(random) / np.sqrt(12)
    assert abs(metadata["ref_min_score"] - np.mean(random)) < 4 * spread
    scores = minari.get_normalized_score(exported, np.array(returns))
    assert scores.mean() == pytest.approx(1)


def test_an_import_gives_back_the_files(exported, recorded, tmp_path):
    assert import_minari(NAME, tmp_path / "back") == [tmp_path / "back" / "turn.hdf5"]
    assert_equal(tmp_path / "back" / "turn.hdf5", recorded.full)
    with pytest.raises(InputError, match=r"turn.hdf5 is there already"):
        import_minari(NAME, tmp_path / "back")


@pytest.fixture
def synthetic(tmp_path):
    """Files of random numbers whose starts can be told from the metrics."""
    paths = []
    for number, clip in enumerate(("CMU_016_15", "CMU_009_12")):
        path = tmp_path / f"{clip}.hdf5"
        lengths = {f"{clip}-0-30": [4, 6, 2], f"{clip}-20-60": [3, 1, 5]}
        write_synthetic_rollouts(path, lengths, n_start=1, seed=number)
        with h5py.File(path, "r+") as file:
            for snippet, steps in lengths.items():
                n = 25 if snippet.endswith("30") else 35
                file[f"{snippet}/start_metrics/norm_episode_lengths"][:] = steps[0] / n
                file[f"{snippet}/rsi_metrics/norm_episode_lengths"][:] = np.array(steps[1:]) / (n - 7)
        paths.append(path)
    return paths


def test_files_of_one_dataset_come_back_as_files(root, synthetic, tmp_path):
    """With pictures, of which one file has some."""
    with h5py.File(synthetic[1], "r+") as file:
        frames = np.random.default_rng(0).integers(256, size=(7, 64, 64, 3), dtype=np.uint8)
        file["CMU_009_12-0-30/1/observations/walker/egocentric_camera"] = frames
    dataset = export_minari(synthetic, "two-v3")
    assert [data["snippet"] for data in dataset.storage.get_episode_metadata(range(12))][::3] == [
        "CMU_009_12-0-30",
        "CMU_009_12-20-60",
        "CMU_016_15-0-30",
        "CMU_016_15-20-60",
    ]
    assert [int(episode.infos["step"][0]) for episode in dataset] == [0, 7, 7] * 4
    assert "mocap.cs.cmu.edu" in dataset.storage.metadata["description"]
    assert "ref_min_score" not in dataset.storage.metadata
    for path, back in zip(sorted(synthetic), import_minari("two-v3", tmp_path / "back"), strict=True):
        assert_equal(back, path)


def test_some_observables_are_a_dataset_of_their_own(root, synthetic, tmp_path):
    dataset = export_minari(synthetic, "few-v0", observables=["world_zaxis", "joints_pos"])
    [back, _] = import_minari("few-v0", tmp_path / "back")
    with h5py.File(back) as file, h5py.File(synthetic[1]) as source:
        chosen = np.concatenate(
            [source[f"observable_indices/walker/{name}"] for name in ("joints_pos", "world_zaxis")]
        )
        for name, n in {"joints_pos": (0, 56), "world_zaxis": (56, 59)}.items():
            assert file[f"observable_indices/walker/{name}"][:].tolist() == list(range(*n))
            assert dataset.storage.metadata["observable_columns"][name] == list(n)
        assert set(file["observable_indices/walker"]) == {"joints_pos", "world_zaxis"}
        observations = source["CMU_009_12-0-30/1/observations/proprioceptive"][:, chosen]
        np.testing.assert_array_equal(file["CMU_009_12-0-30/1/observations/proprioceptive"], observations)
        np.testing.assert_array_equal(dataset[1].observations, observations)
        np.testing.assert_array_equal(file["stats/proprio_var"], source["stats/proprio_var"][:][chosen])


def test_from_a_shell(root, exported, recorded, tmp_path, capsys):
    motion = ["--source", "hdf5", "--path", str(recorded.clip), "--set", f"results={tmp_path}"]
    assert main(["export-minari", "shell-v0", str(recorded.compact), "--author", "A", *motion]) == 0
    dataset = minari.load_dataset("shell-v0")
    assert capsys.readouterr().out == f"shell-v0: 12 episodes, {exported.total_steps} steps\n"
    assert dataset.observation_space.shape == (308,)
    for name in ("ref_min_score", "ref_max_score"):
        assert dataset.storage.metadata[name] == exported.storage.metadata[name]
    assert main(["import-minari", "shell-v0", "--output", str(tmp_path / "back")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/back/turn.hdf5\n"
    assert_equal(tmp_path / "back/turn.hdf5", recorded.compact)
    options = ["--without-scores", "--observables", "joints_pos,body_height"]
    assert main(["export-minari", "shell-v1", str(recorded.full), *options]) == 0
    dataset = minari.load_dataset("shell-v1")
    assert dataset.observation_space.shape == (57,)
    assert "ref_min_score" not in dataset.storage.metadata


def test_the_environment_of_builtin_motion_needs_no_file(root, synthetic, tmp_path):
    with h5py.File(synthetic[0]) as source, h5py.File(tmp_path / "wave.hdf5", "w") as file:
        for name in source:
            source.copy(name, file, name.replace("CMU_016_15", "wave"))
    dataset = export_minari([tmp_path / "wave.hdf5"], "wave-v0")
    env = dataset.recover_environment()
    assert env.observation_space == dataset.observation_space
    observation, _ = env.reset(options={"snippet": 1, "step": 7})
    step, _ = dataset.storage.metadata["observable_columns"]["time_in_clip"]
    assert observation[step] == pytest.approx(7 / 40)
    assert dataset.storage.metadata["license"] == "mit"


def test_bad_input_is_told_and_leaves_nothing(root, exported, synthetic, tmp_path):
    before = sorted(path for path in root.rglob("*"))
    with pytest.raises(InputError, match=r"turn-v0 already.*minari delete mocapact/turn-v0"):
        export_minari(synthetic, NAME)
    for name in ("no version", "mocapact/small"):
        with pytest.raises(InputError, match="such as mocapact/small-v0"):
            export_minari(synthetic, name)
    with pytest.raises(InputError, match="joint_pos"):
        export_minari(synthetic, "bad-v0", observables=["joint_pos"])
    with pytest.raises(InputError, match=r"nothing\.h5"):
        export_minari(synthetic, "bad-v0", motion=lambda clip: tmp_path / "nothing.h5")
    with pytest.raises(InputError, match="same name"):
        export_minari([synthetic[0], synthetic[0]], "bad-v0")
    with h5py.File(synthetic[0], "r+") as file:
        file["CMU_016_15-0-30/rsi_metrics/norm_episode_lengths"][1] = 0.01
    with pytest.raises(InputError, match=r"Rollout 2 of CMU_016_15-0-30 has 2 steps"):
        export_minari(synthetic, "bad-v0")
    with pytest.raises(InputError, match=r"no dataset mocapact/trun-v0.*mocapact/turn-v0"):
        import_minari("mocapact/trun-v0", tmp_path)
    assert sorted(path for path in root.rglob("*")) == before


def test_without_minari_it_is_told_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "minari", None)
    monkeypatch.delitem(sys.modules, "mocapact_core.rollouts.minari")
    assert main(["import-minari", NAME]) == 1
    assert "pip install 'minari[hdf5]'" in capsys.readouterr().err


def test_a_changed_dataset_is_not_imported(root, synthetic, tmp_path):
    dataset = export_minari(synthetic[:1], "changed-v0")
    with h5py.File(dataset.storage.data_path / "main_data.hdf5", "r+") as file:
        del file["episode_5"]
    with h5py.File(dataset.storage.data_path / "main_data.hdf5", "r+") as file:
        file.move("episode_4", "episode_5")
        file.copy("episode_0", file, "episode_4")
    with pytest.raises(InputError, match=r"rollout 1 of CMU_016_15-20-60 is not where it was"):
        import_minari("changed-v0", tmp_path / "back")
    (dataset.storage.data_path / "outlines.hdf5").unlink()
    with pytest.raises(InputError, match="not made by export-minari"):
        import_minari("changed-v0", tmp_path / "back")
    assert not list((tmp_path / "back").iterdir())
