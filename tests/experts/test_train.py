"""Training of experts: the files, their bytes, and what stable-baselines3 makes of them."""

import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.envs import TaskVecEnv
from mocapact_core.errors import InputError
from mocapact_core.experts import progress
from mocapact_core.experts.learner import make_learner
from mocapact_core.experts.train import step_size
from mocapact_core.files import sha256
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import MODEL, NORMALIZER
from mocapact_core.policies.sb3 import PROVENANCE, save_normalizer
from mocapact_core.policies.unpickling import load_pickle
from mocapact_core.settings import TrackingSettings
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask
from tests.experts.conftest import SMALL, SNIPPET


def test_the_published_layout(expert_folder):
    info = json.loads((expert_folder / "clip_info.json").read_text())
    assert info == {"clip_id": "wave", "start_step": 5, "end_step": 70}
    progress = pd.read_csv(expert_folder / "progress.csv")
    assert progress["steps"].tolist() == [0, 64, 128]
    lengths = progress[["normalized_length", "start_normalized_length"]]
    assert lengths.apply(lambda column: column.between(0, 1)).all(axis=None)
    assert (progress["start_normalized_reward"] != progress["normalized_reward"]).all()


def test_equal_runs_are_equal_bytes(expert_folder, train, tmp_path):
    again, other = train(tmp_path / "again"), train(tmp_path / "other", seed=1)
    for file in (MODEL, NORMALIZER, "progress.csv", "clip_info.json"):
        assert (expert_folder / file).read_bytes() == (again / file).read_bytes(), file
    observation = np.random.default_rng(0).normal(size=(4, 206)).astype(np.float32)
    actions, others = (Expert.load(folder).predict(observation)[0] for folder in (expert_folder, other))
    assert (actions != others).any()


def test_the_model_tells_its_provenance(expert_folder, motion):
    with zipfile.ZipFile(expert_folder / MODEL) as archive:
        record = json.loads(archive.read(PROVENANCE))
    assert record["inputs"] == {"clip": sha256(motion)}
    shaping = SMALL.model_dump(exclude=SMALL.FOLLOWING)
    assert record["settings"] == {"experts": shaping, "tracking": TrackingSettings().model_dump()}
    assert record["seed"] == 0


def test_stable_baselines3_loads_them_and_agrees(expert_folder, motion):
    """Its own loaders, on its own normalised observations, give the actions and values that ours give."""
    references = References([read_trajectory(motion).segment(SNIPPET.start, SNIPPET.end)])
    env = VecNormalize.load(
        str(expert_folder / NORMALIZER), TaskVecEnv(TrackingTask(references, 8), bootstrap_at_end=False)
    )
    env.training = False
    model = PPO.load(expert_folder / MODEL, env=env, device="cpu")
    expert = Expert.load(expert_folder)
    observation = env.reset()
    for _ in range(5):
        theirs, _ = model.predict(observation, deterministic=True)
        raw = env.get_original_obs()
        ours, _ = expert.predict(raw)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        values = model.policy.predict_values(model.policy.obs_to_tensor(observation)[0])[:, 0]
        scale = np.sqrt(env.ret_rms.var + env.epsilon)
        flat = np.concatenate(list(raw.values()), axis=1)
        np.testing.assert_allclose(expert.value(flat), values.detach().numpy() * scale, rtol=1e-4, atol=1e-5)
        observation, _, _, _ = env.step(theirs)
    assert expert.std == pytest.approx(0.1)
    model.learn(model.n_steps * 8)  # it can be trained on


def test_the_best_model_is_kept(train, tmp_path):
    """With a step size that destroys the warm start, the warm start stays the best model."""
    kept = train(tmp_path / "kept", learning_rate=[0.05])
    start = train(tmp_path / "start", total_steps=0)
    rewards = pd.read_csv(kept / "progress.csv")["normalized_reward"]
    assert rewards.argmax() == 0
    observation = np.random.default_rng(0).normal(size=(4, 206)).astype(np.float32)
    np.testing.assert_array_equal(
        Expert.load(kept).predict(observation)[0], Expert.load(start).predict(observation)[0]
    )


def test_an_update_that_the_workers_do_not_divide_is_refused(train, tmp_path):
    with pytest.raises(InputError, match=r"experts\.workers"):
        train(tmp_path, steps_per_update=60)


def test_observations_stay_normalized_as_the_warm_start_saw_them(train, tmp_path):
    """Else the policy, fitted to them, unlearns in its first updates what it was fitted to."""
    start, trained = (load_pickle(train(tmp_path / str(n), total_steps=n) / NORMALIZER) for n in (0, 128))
    for name, before in start.obs_rms.items():
        np.testing.assert_allclose(trained.obs_rms[name].mean, before.mean, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(trained.obs_rms[name].var, before.var, rtol=1e-5, atol=1e-5)


class Stopped(Exception):
    pass


def test_a_training_with_a_warm_start_goes_on_after_it(expert_folder, train, tmp_path, monkeypatch, capsys):
    """From the file that was written right after it. Other stops: test_interruption.py."""
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(PPO, "train", lambda _: (_ for _ in ()).throw(Stopped))
        train(tmp_path)
    assert "warm start" in capsys.readouterr().out
    train(tmp_path)
    assert "warm start" not in capsys.readouterr().out
    for file in (MODEL, NORMALIZER, "progress.csv", "clip_info.json"):
        assert (expert_folder / file).read_bytes() == (tmp_path / file).read_bytes(), file


@pytest.mark.parametrize("critic", ["privileged", "plain"])
def test_a_training_that_started_from_an_expert_goes_on(
    critic, expert_folder, motion, train, tmp_path, monkeypatch
):
    """With its statistics and its clipping, which are its own."""
    start = shutil.copytree(expert_folder, tmp_path / "start")
    worlds = TaskVecEnv(TrackingTask(References([read_trajectory(motion)]), 1))
    normalizer = VecNormalize.load(str(start / NORMALIZER), worlds)
    normalizer.clip_obs = 1.0
    save_normalizer(normalizer, start / NORMALIZER)
    changes = {"warm_start": str(start), "critic": critic, "checkpoint_every": 1}
    whole, stopped = train(tmp_path / "whole", **changes), tmp_path / "stopped"
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        updates = iter([PPO.train, lambda _: (_ for _ in ()).throw(Stopped)])
        patch.setattr(PPO, "train", lambda model: next(updates)(model))
        train(stopped, **changes)
    train(stopped, **changes)
    for file in (MODEL, NORMALIZER, "progress.csv", "expert.safetensors"):
        assert (whole / file).read_bytes() == (stopped / file).read_bytes(), file


def test_what_was_known_is_shown_while_a_training_goes_on(train, tmp_path, monkeypatch):
    """Snakemake deletes progress.csv, an output, before it starts a job again."""
    shown = []

    def stop(_):
        shown.append((tmp_path / "progress.csv").exists())
        raise Stopped

    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            updates = iter([PPO.train, stop])
            patch.setattr(PPO, "train", lambda model, updates=updates: next(updates)(model))
            train(tmp_path, warm_start="none", total_steps=64 * 9, evaluate_every=64 * 9, checkpoint_every=1)
        (tmp_path / "progress.csv").unlink()
    assert shown == [True, True]


def test_training_ends_early_when_the_rule_says_so(train, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "TRACKED", 0.0)
    train(tmp_path, total_steps=64 * 9, early_stop="released", early_stop_steps=128)
    steps = pd.read_csv(tmp_path / "progress.csv")["steps"].tolist()
    assert steps == [0, 64, 128]  # a reward of at most 1.45 does not grow by 0.01 in two such updates


def test_step_sizes_have_equal_shares(motion):
    settings = SMALL.model_copy(
        update={"total_steps": 150, "learning_rate": [3.0, 2.0, 1.0], "target_kl": None, "critic": "plain"}
    )
    model = make_learner(read_trajectory(motion), settings, TrackingSettings(), seed=0).model

    def after(steps: int) -> float:
        model.num_timesteps = steps
        return step_size(model, settings)

    assert [after(steps) for steps in (0, 49, 50, 99, 100, 149, 160)] == [3, 3, 2, 2, 1, 1, 1]
