"""Training of task policies: files, repeatability, going on after an interruption."""

import csv
import io
import json
import math
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mocapact_core.errors import InputError
from mocapact_core.experts.monitor import TENSORBOARD
from mocapact_core.files import sha256
from mocapact_core.policies.sb3 import PROVENANCE
from mocapact_core.transfer import train
from mocapact_core.transfer.environment import LowLevel
from mocapact_core.transfer.progress import Evaluation, Evaluator, TrainingEpisodes, is_best
from mocapact_core.transfer.train import CHECKPOINT, TRAINING, make_env, make_model, train_transfer

FILES = ["best_model.zip", "progress.csv", "validation.csv", "vecnormalize.pkl"]


class Interrupted(Exception):
    pass


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def rows(folder, table="progress.csv") -> list[dict[str, str]]:
    return list(csv.DictReader((folder / table).open()))


@pytest.mark.parametrize("task", ["go_to_target", "velocity_control"])
def test_same_seed_same_bytes_whether_interrupted_or_not(
    task, tmp_path, monkeypatch, general, policy_folder, settings
):
    arguments = task, general, policy_folder
    train_transfer(*arguments, tmp_path / "whole", settings, seed=3)
    whole = contents(tmp_path / "whole")
    assert list(whole) == FILES
    assert [row["steps"] for row in rows(tmp_path / "whole")] == ["128", "256", "384"]

    def stop(progress):
        if progress.num_timesteps == 128 + 128:
            raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(TrainingEpisodes, "_on_training_end", stop)
        with pytest.raises(Interrupted):
            train_transfer(*arguments, tmp_path / "stopped", settings, seed=3)
    assert (tmp_path / "stopped" / TRAINING / CHECKPOINT).exists()
    train_transfer(*arguments, tmp_path / "stopped", settings, seed=3)
    assert contents(tmp_path / "stopped") == whole

    train_transfer(*arguments, tmp_path / "other", settings, seed=0)
    with (
        zipfile.ZipFile(tmp_path / "whole/best_model.zip") as one,
        zipfile.ZipFile(tmp_path / "other/best_model.zip") as two,
    ):
        assert one.read("policy.pth") != two.read("policy.pth")
        record = json.loads(one.read(PROVENANCE))
    assert record["settings"]["transfer"]["gamma"] == settings.gamma
    assert (record["settings"]["task"], record["seed"]) == (task, 3)
    assert not settings.FOLLOWING & record["settings"]["transfer"].keys()
    assert record["inputs"] == {"low_level": sha256(policy_folder / "model.safetensors")}


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path, monkeypatch, none, settings, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(train, "copy", lambda *_: (_ for _ in ()).throw(Interrupted))
        with pytest.raises(Interrupted):
            train_transfer("go_to_target", none, None, tmp_path / "a", settings, seed=3)
    other = settings.model_copy(update={"learning_rate": 1e-3})
    train_transfer("go_to_target", none, None, tmp_path / "a", other, seed=3)
    assert "starting anew" in capsys.readouterr().out
    train_transfer("go_to_target", none, None, tmp_path / "b", other, seed=3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_damaged_checkpoint_is_named(tmp_path, none, settings):
    (tmp_path / TRAINING).mkdir()
    (tmp_path / TRAINING / CHECKPOINT).write_bytes(b"PK no")
    with pytest.raises(InputError, match=r"checkpoint\.pth is damaged"):
        train_transfer("go_to_target", none, None, tmp_path, settings, seed=0)


def test_files_are_those_of_stable_baselines3(tmp_path, none, settings):
    train_transfer("velocity_control", none, None, tmp_path, settings, seed=0)
    model = PPO.load(tmp_path / "best_model.zip", device="cpu")
    env = make_env("velocity_control", LowLevel(), none, settings, 2, 0)
    normalizer = VecNormalize.load(str(tmp_path / "vecnormalize.pkl"), env.venv)
    actions, _ = model.predict(normalizer.normalize_obs(env.venv.reset()))
    assert actions.shape == (2, 56)
    assert normalizer.ret_rms.count >= model.num_timesteps and normalizer.gamma == 0.99
    with zipfile.ZipFile(tmp_path / "best_model.zip") as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


def test_learns_what_table_7_says(general, none, settings, decoder):
    full = settings.model_copy(update={"steps_per_update": 16_384, "minibatch": 1024, "epochs": 10})
    env = make_env("go_to_target", LowLevel(decoder), general, full, 4, 0)
    model = make_model(env, general, full, 0)
    assert model.n_steps * model.n_envs == 16_384
    assert (model.batch_size, model.n_epochs, model.target_kl, model.ent_coef) == (1024, 10, 0.3, 1e-4)
    assert (model.gae_lambda, model.gamma, model.max_grad_norm, model.learning_rate) == (
        0.95,
        0.99,
        1.0,
        5e-5,
    )
    assert model.clip_range(1.0) == 0.2 and (model.action_space.high == 3).all()
    np.testing.assert_allclose(model.policy.log_std.exp().detach(), np.full(5, 2.5), rtol=1e-6)
    assert model.policy.log_std.requires_grad
    bare = make_model(make_env("go_to_target", LowLevel(), none, full, 4, 0), none, full, 0)
    np.testing.assert_allclose(bare.policy.log_std.exp().detach(), np.full(56, 0.5), rtol=1e-6)


def test_progress_tells_the_episodes_that_ended(tmp_path, none, settings):
    train_transfer("velocity_control", none, None, tmp_path, settings, seed=0)
    for row in rows(tmp_path):
        assert int(row["episodes"]) > 0
        assert 1 < float(row["length"]) <= 128
        assert 0 <= float(row["return"]) <= float(row["length"])
    progress = TrainingEpisodes(tmp_path / "progress.csv", [[128, math.nan, math.nan, 0]])
    progress.write()
    assert (tmp_path / "progress.csv").read_text() == "steps,return,length,episodes\n128,,,0\n"


def test_workers_must_divide_an_update(tmp_path, none, settings):
    with pytest.raises(InputError, match=r"transfer\.workers"):
        train_transfer(
            "go_to_target", none, None, tmp_path, settings.model_copy(update={"workers": 3}), seed=0
        )


def test_weights_are_read_without_unpickling_anything_else(tmp_path, none, settings):
    train_transfer("go_to_target", none, None, tmp_path, settings, seed=0)
    with zipfile.ZipFile(tmp_path / "best_model.zip") as archive:
        weights = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    assert "log_std" in weights


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / TENSORBOARD)).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_best_of_the_evaluations_is_kept(tmp_path, none, settings, monkeypatch):
    """The evaluation after 256 steps is made the best: the result is that of a training that ended there."""
    evaluate = Evaluator.__call__

    def told(self, model):
        return replace(evaluate(self, model), mean_return={0: 1, 128: 2, 256: 5, 384: 3}[model.num_timesteps])

    monkeypatch.setattr(Evaluator, "__call__", told)
    train_transfer("go_to_target", none, None, tmp_path / "whole", settings, seed=3)
    evaluations = rows(tmp_path / "whole", "validation.csv")
    assert [row["steps"] for row in evaluations] == ["0", "128", "256", "384"]
    assert [float(row["mean_return"]) for row in evaluations] == [1, 2, 5, 3]
    short = settings.model_copy(update={"total_steps": 256})
    train_transfer("go_to_target", none, None, tmp_path / "short", short, seed=3)
    one, two = (PPO.load(tmp_path / name / "best_model.zip", device="cpu") for name in ("whole", "short"))
    assert one.num_timesteps == two.num_timesteps == 256
    for name, tensor in two.policy.state_dict().items():
        assert torch.equal(tensor, one.policy.state_dict()[name]), name
    normalizers = [(tmp_path / name / "vecnormalize.pkl").read_bytes() for name in ("whole", "short")]
    assert normalizers[0] == normalizers[1]


def test_the_best_of_those_that_earn_nothing_stays_up_longest():
    first, longer, paid = Evaluation(0, 0, 9, 1), Evaluation(1, 0, 12, 1), Evaluation(2, 1, 5, 1)
    assert is_best(first, []) and is_best(longer, [first]) and is_best(paid, [first, longer])
    assert not is_best(first, [longer]) and not is_best(longer, [longer]) and not is_best(longer, [paid])


def test_tensorboard_gets_evaluations_episodes_and_updates(tmp_path, none, settings):
    train_transfer("velocity_control", none, None, tmp_path, settings, seed=0)
    written = scalars(tmp_path)
    for name in ("mean_return", "mean_length", "fallen"):
        expected = [
            (int(row["steps"]), pytest.approx(float(row[name]), abs=1e-5))
            for row in rows(tmp_path, "validation.csv")
        ]
        assert written[f"evaluation/{name}"] == expected
    for name in ("train/approx_kl", "train/std", "rollout/ep_rew_mean"):
        assert [step for step, _ in written[name]] == [128, 256, 384]


def test_evaluations_in_training_are_of_other_episodes_than_the_final_one(general, decoder, settings):
    chosen = Evaluator("go_to_target", LowLevel(decoder), settings, 0)
    other = Evaluator("go_to_target", LowLevel(decoder), settings, 1)
    assert len({*chosen.seeds, *other.seeds, *range(1000)}) == 2 * settings.selection_episodes + 1000
