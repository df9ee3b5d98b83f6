"""Experts from elsewhere, and what stable-baselines3 makes of ours."""

import json
import shutil
import zipfile

import gymnasium
import numpy as np
import pandas as pd
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import mocapact_core.envs  # noqa: F401 - registers MocapTracking-v0
from mocapact_core.clips.snippets import Snippet
from mocapact_core.errors import InputError
from mocapact_core.experts.interchange import import_expert, start_from
from mocapact_core.files import sha256
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import CLIP_INFO, DESCRIPTION, MODEL, NORMALIZER, WEIGHTS
from mocapact_core.policies.parameters import write_parameters
from mocapact_core.policies.sb3 import PROVENANCE, read_provenance
from tests.experts.conftest import SNIPPET
from tests.policies.published import act, write_published

FILES = (MODEL, NORMALIZER, WEIGHTS, DESCRIPTION, CLIP_INFO)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo") / SNIPPET.name
    return folder, *write_published(folder, (SNIPPET.clip, SNIPPET.start, SNIPPET.end))


@pytest.fixture(scope="module")
def imported(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / SNIPPET.name
    import_expert(published[0], SNIPPET, folder)
    return folder


@pytest.fixture
def worlds(motion):
    """As anyone would use the gymnasium environment with stable-baselines3."""
    return DummyVecEnv(
        [lambda: gymnasium.make("MocapTracking-v0", motion=motion, snippets=[SNIPPET.name])] * 2
    )


def observations(n=5) -> np.ndarray:
    return np.random.default_rng(1).normal(scale=3, size=(n, 206)).astype(np.float32)


def test_stable_baselines3_loads_an_imported_expert_and_trains_on(imported, worlds):
    env = VecNormalize.load(str(imported / NORMALIZER), worlds)
    env.training = False
    model, expert = PPO.load(imported / MODEL, device="cpu"), Expert.load(imported)
    env.seed(0)
    observation = env.reset()
    for _ in range(3):
        theirs, _ = model.predict(observation, deterministic=True)
        ours, _ = expert.predict(env.get_original_obs())
        np.testing.assert_allclose(np.clip(ours, -1, 1), theirs, atol=1e-6)
        observation, *_ = env.step(theirs)
    env.training = True
    model = PPO.load(imported / MODEL, env=env, device="cpu", n_steps=32, batch_size=64, n_epochs=1)
    before = model.policy.action_net.weight.detach().clone()
    model.learn(64)
    change = (model.policy.action_net.weight - before).abs().max()
    assert 0 < change < 1e-3


def test_an_imported_expert_acts_as_the_published_one(published, imported):
    _, weights, normalizer = published
    expert, x = Expert.load(imported), observations()
    np.testing.assert_allclose(expert.predict(x)[0], act(weights, normalizer, x), atol=1e-5)
    original = Expert.load(published[0])
    np.testing.assert_array_equal(expert.predict(x)[0], original.predict(x)[0])
    np.testing.assert_array_equal(expert.value(x), original.value(x))
    assert expert.std == pytest.approx(0.1)


def test_it_says_where_it_comes_from(published, imported):
    record = read_provenance(imported / MODEL)
    assert record["inputs"] == {file.name: sha256(published[0] / file) for file in (MODEL, NORMALIZER)}
    assert record["origin"] is None
    assert json.loads((imported / DESCRIPTION).read_text())["provenance"] == record


def test_an_expert_of_ours_is_imported_to_the_same_actions(expert_folder, tmp_path):
    import_expert(expert_folder, SNIPPET, tmp_path / "once")
    import_expert(tmp_path / "once", SNIPPET, tmp_path / "twice")
    x = observations()
    for folder in ("once", "twice"):
        np.testing.assert_array_equal(
            Expert.load(tmp_path / folder).predict(x)[0], Expert.load(expert_folder).predict(x)[0]
        )
    origin = read_provenance(tmp_path / "once" / MODEL)["origin"]
    assert origin == read_provenance(expert_folder / MODEL)


def test_an_import_from_plain_files(published, imported, tmp_path):
    plain = tmp_path / "zoo" / SNIPPET.name
    write_parameters(Expert.load(published[0]).data, plain, {"made": "in a test"})
    shutil.copy(published[0] / CLIP_INFO, plain)
    import_expert(plain, SNIPPET, tmp_path / "imported")
    x = observations()
    np.testing.assert_array_equal(
        Expert.load(tmp_path / "imported").predict(x)[0], Expert.load(imported).predict(x)[0]
    )
    assert read_provenance(tmp_path / "imported" / MODEL)["origin"] == {"made": "in a test"}


def test_equal_imports_are_equal_bytes(published, imported, tmp_path):
    import_expert(published[0], SNIPPET, tmp_path)
    for file in FILES:
        assert (tmp_path / file).read_bytes() == (imported / file).read_bytes(), file


def test_mocapact_finds_the_activation_in_our_zips(imported, expert_folder):
    """Its `load_policy` looks for it in the readable part of `data`, beside what is pickled."""
    for folder in (imported, expert_folder):
        with zipfile.ZipFile(folder / MODEL) as archive:
            kwargs = json.loads(archive.read("data"))["policy_kwargs"]
            assert PROVENANCE in archive.namelist()
        assert "Tanh" in kwargs["activation_fn"]
        assert "0x" not in json.dumps({k: v for k, v in kwargs.items() if k != ":serialized:"})


def test_an_expert_of_another_snippet_is_refused(published, tmp_path):
    with pytest.raises(InputError, match=r"tracks wave-5-70, not wave-5-71\. .*experts\.zoo"):
        import_expert(published[0], Snippet("wave", 5, 71), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_expert_leaves_nothing_behind(published, tmp_path):
    shutil.copytree(published[0], tmp_path / "zoo")
    (tmp_path / "zoo" / NORMALIZER).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"vecnormalize\.pkl"):
        import_expert(tmp_path / "zoo", SNIPPET, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_training_writes_files_without_pickle(expert_folder, train, tmp_path):
    assert Expert.load(expert_folder).observables
    shutil.copytree(expert_folder, tmp_path / "plain", ignore=shutil.ignore_patterns("eval_rsi"))
    x = observations()
    np.testing.assert_array_equal(
        Expert.load(tmp_path / "plain").predict(x)[0], Expert.load(expert_folder).predict(x)[0]
    )
    train(tmp_path / "again")
    for file in FILES:
        assert (tmp_path / "again" / file).read_bytes() == (expert_folder / file).read_bytes(), file


def test_training_starts_from_an_expert(expert_folder, train, tmp_path):
    """Wherever that lies: its content counts."""
    x = observations()
    zoo = shutil.copytree(expert_folder, tmp_path / "zoo" / SNIPPET.name).parent
    once = train(tmp_path / "once", seed=7, total_steps=0, warm_start=str(expert_folder))
    again = train(tmp_path / "again", seed=7, total_steps=0, warm_start=str(zoo))
    np.testing.assert_array_equal(Expert.load(once).predict(x)[0], Expert.load(expert_folder).predict(x)[0])
    for file in FILES:
        assert (once / file).read_bytes() == (again / file).read_bytes(), file
    record = read_provenance(once / MODEL)
    assert record["inputs"].keys() == {"clip", MODEL.name, NORMALIZER.name}
    assert record["settings"]["experts"]["warm_start"] == "expert"


def test_a_training_begins_as_well_as_its_start_was(expert_folder, train, tmp_path):
    before = pd.read_csv(expert_folder / "progress.csv").drop(columns="steps")
    after = pd.read_csv(train(tmp_path, warm_start=str(expert_folder)) / "progress.csv").drop(columns="steps")
    best = before["normalized_reward"].argmax()
    np.testing.assert_allclose(after.iloc[0], before.iloc[best], atol=1e-5)
    assert (after.iloc[1:] != after.iloc[0]).any(axis=None)  # and it is trained on


@pytest.fixture
def training(worlds):
    env = VecNormalize(worlds, gamma=0.9)
    hidden = {"pi": [8, 8, 8], "vf": [8, 8, 8]}
    kwargs = {"net_arch": hidden, "log_std_init": -1.0}
    return PPO("MultiInputPolicy", env, n_steps=32, batch_size=64, policy_kwargs=kwargs, device="cpu"), env


def test_a_training_starts_as_the_expert_it_starts_from(tmp_path, training):
    weights, normalizer = write_published(tmp_path, clip_obs=0.5, epsilon=1e-3)
    model, env = training
    start_from(tmp_path, model, env)
    env.training = False
    observation = env.reset()
    flat = np.concatenate(list(env.get_original_obs().values()), axis=1)
    expected = np.clip(act(weights, normalizer, flat), -1, 1)
    np.testing.assert_allclose(model.predict(observation, deterministic=True)[0], expected, atol=1e-5)
    assert env.ret_rms.var == normalizer.ret_rms.var
    for name, running in env.obs_rms.items():
        assert running.count == normalizer.obs_rms[name].count
    assert model.policy.log_std.detach().numpy() == pytest.approx(
        -1.0
    )  # experts.noise decides, not the expert
    env.training = True
    model.learn(64)


def test_an_expert_of_another_size_is_no_start(tmp_path, training):
    write_published(tmp_path, hidden=(16, 8))
    with pytest.raises(InputError, match=r"\[16, 8\] \(policy\) .* experts\.hidden is \[8, 8, 8\]"):
        start_from(tmp_path, *training)
