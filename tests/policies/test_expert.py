"""Reading expert files without trusting them, published ones included."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.expert import (
    CLIP_INFO,
    MODEL,
    NORMALIZER,
    Expert,
    read_clip_info,
    write_clip_info,
)
from mocapact_core.policies.unpickling import load_pickle

SIZES = dict(zip(TIME_INDEX, (56, 56, 3, 3, 12, 3, 56, 10, 6, 1), strict=True))


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Files as MoCapAct's authors wrote them: old gym spaces and classes of a package that is not installed."""
    rng = np.random.default_rng(0)
    for name in ("gym", "gym.spaces", "gym.spaces.box", "stable_baselines3.common.vec_env.vec_normalize_old"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    def foreign(module, name):
        cls = type(name, (), {"__module__": module})
        setattr(sys.modules[module], name, cls)
        return cls

    box, normalize = (
        foreign("gym.spaces.box", "Box"),
        foreign("stable_baselines3.common.vec_env.vec_normalize_old", "VecNormalize"),
    )
    statistics = foreign("stable_baselines3.common.vec_env.vec_normalize_old", "RunningMeanStd")

    def moments(*shape):
        result = statistics()
        result.mean, result.var, result.count = rng.normal(size=shape), rng.uniform(0.1, 2, shape), 1.0
        return result

    normalizer = normalize()
    normalizer.observation_space = box()
    normalizer.obs_rms = {f"walker/{name}": moments(size) for name, size in SIZES.items()}
    normalizer.ret_rms = moments()
    normalizer.clip_obs, normalizer.epsilon = 10.0, 1e-8
    weights = OrderedDict(log_std=torch.full((56,), float(np.log(0.1))))
    for part, out in (("policy", 56), ("value", 1)):
        head = {"policy": "action_net", "value": "value_net"}[part]
        for i, (n_in, n_out) in enumerate([(206, 8), (8, 8), (8, 8)]):
            weights[f"mlp_extractor.{part}_net.{2 * i}.weight"] = torch.randn(n_out, n_in) / n_in**0.5
            weights[f"mlp_extractor.{part}_net.{2 * i}.bias"] = torch.randn(n_out)
        weights[f"{head}.weight"], weights[f"{head}.bias"] = torch.randn(out, 8), torch.randn(out)
    for file in (MODEL, NORMALIZER):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / NORMALIZER).write_bytes(pickle.dumps(normalizer))
    content = io.BytesIO()
    torch.save(weights, content)
    with zipfile.ZipFile(tmp_path / MODEL, "w") as archive:
        archive.writestr("policy.pth", content.getvalue())
        archive.writestr("data", b"{}")
    return tmp_path, normalizer, weights


def test_a_published_expert(published):
    """Its actions are those of its formulas, written out here."""
    folder, normalizer, weights = published
    expert = Expert.load(folder)
    observation = np.random.default_rng(1).normal(scale=3, size=(5, 206)).astype(np.float32)
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    rms = [normalizer.obs_rms[f"walker/{name}"] for name in TIME_INDEX]
    mean, var = np.concatenate([r.mean for r in rms]), np.concatenate([r.var for r in rms])
    x = np.clip((observation - mean) / np.sqrt(var + 1e-8), -10, 10)
    for part, head, result in (
        ("policy", "action_net", expert.predict(observation)[0]),
        ("value", "value_net", expert.value(observation)[:, None]),
    ):
        h = x
        for i in (0, 2, 4):
            name = f"mlp_extractor.{part}_net.{i}"
            h = np.tanh(h @ w[f"{name}.weight"].T + w[f"{name}.bias"])
        expected = h @ w[f"{head}.weight"].T + w[f"{head}.bias"]
        scale = np.sqrt(normalizer.ret_rms.var + 1e-8) if part == "value" else 1.0
        np.testing.assert_allclose(result, expected * scale, rtol=1e-4, atol=1e-4)


def test_dictionaries_and_noise(published):
    expert = Expert.load(published[0])
    flat = np.random.default_rng(2).normal(size=(3, 206)).astype(np.float32)
    splits = np.split(flat, np.cumsum(list(SIZES.values()))[:-1], axis=1)
    as_dict = {f"walker/{name}": part for name, part in zip(SIZES, splits, strict=True)}
    mean, _ = expert.predict(flat)
    np.testing.assert_array_equal(mean, expert.predict(as_dict)[0])
    rng = np.random.default_rng(3)
    noisy = np.stack([expert.predict(flat, deterministic=False, rng=rng)[0] - mean for _ in range(400)])
    assert noisy.std() == pytest.approx(0.1, rel=0.02)


class Malicious:
    def __reduce__(self):
        return (print, ("this must never run",))


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    path = tmp_path / "vecnormalize.pkl"
    path.write_bytes(pickle.dumps({"obs_rms": Malicious()}))
    with pytest.raises(InputError, match=r"builtins.print is not allowed"):
        load_pickle(path)
    assert capsys.readouterr().out == ""


def test_files_of_something_else(published):
    folder, normalizer, weights = published
    del normalizer.obs_rms["walker/time_in_clip"]
    (folder / NORMALIZER).write_bytes(pickle.dumps(normalizer))
    with pytest.raises(InputError, match=r"not those of a snippet expert .*time_in_clip"):
        Expert.load(folder)
    content = io.BytesIO()
    torch.save({"log_std": weights["log_std"]}, content)
    with zipfile.ZipFile(folder / MODEL, "w") as archive:
        archive.writestr("policy.pth", content.getvalue())
    with pytest.raises(InputError, match=r"not those of a snippet expert .*action_net"):
        Expert.load(folder)


@pytest.mark.parametrize("file", [MODEL, NORMALIZER])
def test_damaged_and_missing_files(published, file):
    folder = published[0]
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=file.name):
        Expert.load(folder)
    (folder / file).unlink()
    with pytest.raises(InputError, match=file.name):
        Expert.load(folder)


def test_an_expert_tells_its_snippet(tmp_path):
    write_clip_info(tmp_path, "CMU_009_12", 165, 363)
    assert read_clip_info(tmp_path) == Snippet("CMU_009_12", 165, 363)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"clip_id": "stand", "start_step": "a", "end_step": 2}'])
def test_a_damaged_clip_info_is_named(tmp_path, text):
    (tmp_path / CLIP_INFO).write_text(text)
    with pytest.raises(InputError, match=r"clip_info\.json does not tell"):
        read_clip_info(tmp_path)


def test_a_folder_or_file_without_clip_info_is_no_expert(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(InputError, match=f"no expert at {path}"):
            read_clip_info(path)
