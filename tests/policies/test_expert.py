"""Reading experts: published ones, ours, and the files that need no pickle, each against formulas written out."""

import json
import pickle
import pickletools
import struct
import zipfile

import numpy as np
import pytest
import torch
from stable_baselines3.common.running_mean_std import RunningMeanStd

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.snippets import Snippet
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import (
    CLIP_INFO,
    DESCRIPTION,
    MODEL,
    NORMALIZER,
    WEIGHTS,
    read_clip_info,
    write_clip_info,
)
from mocapact_core.policies.parameters import SIZES, read_parameters, write_parameters
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask
from tests.policies.published import act, write_published


@pytest.fixture
def published(tmp_path):
    return tmp_path, *write_published(tmp_path)


def observations(n=5, seed=1) -> np.ndarray:
    """Some of them far from what the normaliser knows, so that they are clipped."""
    return np.random.default_rng(seed).normal(scale=5, size=(n, 206)).astype(np.float32)


def test_sizes_are_those_of_the_simulation():
    task = TrackingTask(References([builtin_trajectory("wave")]), 1, observables=TIME_INDEX)
    assert {name: columns.stop - columns.start for name, columns in task.columns.items()} == SIZES


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_published_expert(tmp_path, protocol):
    """Its actions and values are those of its formulas, written out."""
    weights, normalizer = write_published(tmp_path, protocol=protocol)
    expert, x = Expert.load(tmp_path), observations()
    np.testing.assert_allclose(expert.predict(x)[0], act(weights, normalizer, x), atol=1e-5)
    values = act(weights, normalizer, x, "value")[:, 0] * np.sqrt(normalizer.ret_rms.var + 1e-8)
    np.testing.assert_allclose(expert.value(x), values, atol=1e-5)
    assert expert.std == pytest.approx(0.1)


def test_a_published_expert_names_what_is_not_installed(published):
    """So these tests are about files that stable-baselines3 itself cannot read."""
    content = (published[0] / NORMALIZER).read_bytes()
    texts = {text for _, text, _ in pickletools.genops(content) if isinstance(text, str)}
    assert {"gym.spaces.dict", "gym.utils.seeding", "numpy.core.multiarray"} < texts
    with pytest.raises(ModuleNotFoundError, match="gym"):
        pickle.loads(content)


def test_a_feature_that_hardly_varied_keeps_its_digits(tmp_path):
    """Its mean, rounded to float32, would be as far from the observation as its standard deviation is long."""
    weights, normalizer = write_published(tmp_path)
    head_on = normalizer.obs_rms["walker/world_zaxis"]
    head_on.mean, head_on.var = np.array([0.1, 0.2, 0.3]), np.zeros(3)
    write_published(tmp_path, obs_rms=normalizer.obs_rms)
    x = observations()
    x[:, 133:136] = np.float32(0.1) + np.linspace(-1e-4, 1e-4, 5, dtype=np.float32)[:, None]
    np.testing.assert_allclose(Expert.load(tmp_path).predict(x)[0], act(weights, normalizer, x), atol=1e-5)


def test_dictionaries_and_noise(published):
    expert = Expert.load(published[0])
    flat = np.random.default_rng(2).normal(size=(3, 206)).astype(np.float32)
    splits = np.split(flat, np.cumsum(list(SIZES.values()))[:-1], axis=1)
    as_dict = {f"walker/{name}": part for name, part in zip(SIZES, splits, strict=True)}
    mean, _ = expert.predict(flat)
    np.testing.assert_array_equal(mean, expert.predict(as_dict)[0])
    with pytest.raises(InputError, match=r"lacks walker/time_in_clip"):
        expert.predict({name: part for name, part in as_dict.items() if name != "walker/time_in_clip"})
    rng = np.random.default_rng(3)
    noisy = np.stack([expert.predict(flat, deterministic=False, rng=rng)[0] - mean for _ in range(400)])
    assert noisy.std() == pytest.approx(0.1, rel=0.02)


def read_tensors(path) -> dict[str, np.ndarray]:
    """A safetensors file, by its specification: length of the header, header, numbers."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    types = {"F32": "<f4", "F64": "<f8"}
    return {
        name: np.frombuffer(
            content[8 + size :][slice(*entry["data_offsets"])], types[entry["dtype"]]
        ).reshape(entry["shape"])
        for name, entry in json.loads(content[8 : 8 + size]).items()
    }


def act_plainly(folder, observed: dict[str, np.ndarray], network="policy") -> np.ndarray:
    """What expert.safetensors and expert.json say, with numpy alone."""
    description, tensors = json.loads((folder / DESCRIPTION).read_text()), read_tensors(folder / WEIGHTS)
    x = np.concatenate([observed[name] for name in description["observables"]], axis=-1)
    x = (x - tensors["mean"]) / np.sqrt(tensors["variance"] + description["normaliser"]["epsilon"])
    x = np.clip(x, -description["normaliser"]["clip"], description["normaliser"]["clip"])
    n_layers = len(description[network]) - 1
    for layer in range(n_layers):
        x = x @ tensors[f"{network}.{layer}.weight"].T + tensors[f"{network}.{layer}.bias"]
        x = np.tanh(x) if layer < n_layers - 1 else x
    return x


def test_plain_files_say_all_there_is(published, tmp_path):
    folder, weights, normalizer = published
    expert, x = Expert.load(folder), observations()
    write_parameters(expert.data, tmp_path / "plain", {"made": "in a test"})
    splits = np.split(x, np.cumsum(list(SIZES.values()))[:-1], axis=1)
    observed = dict(zip(TIME_INDEX, splits, strict=True))
    for network in ("policy", "value"):
        expected = act(weights, normalizer, x, network)
        np.testing.assert_allclose(act_plainly(tmp_path / "plain", observed, network), expected, atol=1e-6)
    description = json.loads((tmp_path / "plain" / DESCRIPTION).read_text())
    assert description["policy"] == [206, 8, 8, 8, 56]
    assert description["return"]["variance"] == normalizer.ret_rms.var
    assert description["return"]["gamma"] == 0.95
    assert description["provenance"] == {"made": "in a test"}
    np.testing.assert_allclose(read_tensors(tmp_path / "plain" / WEIGHTS)["std"], 0.1, rtol=1e-6)


def test_plain_files_are_read_back_to_the_bit(published, tmp_path):
    expert, x = Expert.load(published[0]), observations()
    write_parameters(expert.data, tmp_path / "plain", {})
    again = Expert.load(tmp_path / "plain")
    np.testing.assert_array_equal(again.predict(x)[0], expert.predict(x)[0])
    np.testing.assert_array_equal(again.value(x), expert.value(x))
    write_parameters(again.data, tmp_path / "again", {})
    for file in (WEIGHTS, DESCRIPTION):
        assert (tmp_path / "plain" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("activation", "relu", "activation is 'relu' instead of 'tanh'"),
        ("format", 2, "format is 2"),
        ("observables", list(reversed(TIME_INDEX)), "observables is"),
        ("policy", [206, 8, 56], "56"),
        ("normaliser", {}, "count"),
        ("return", None, "return|None"),
    ],
)
def test_plain_files_of_something_else(published, tmp_path, key, value, message):
    folder = tmp_path / "plain"
    write_parameters(Expert.load(published[0]).data, folder, {})
    description = json.loads((folder / DESCRIPTION).read_text()) | {key: value}
    (folder / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(
        InputError, match=rf"expert\.json in .* are not those of a snippet expert .*({message})"
    ):
        read_parameters(folder)


def test_files_of_something_else(tmp_path):
    _, normalizer = write_published(tmp_path)
    statistics = dict(normalizer.obs_rms)
    del statistics["walker/time_in_clip"]
    write_published(tmp_path, obs_rms=statistics)
    with pytest.raises(InputError, match=r"not those of a snippet expert .*time_in_clip"):
        Expert.load(tmp_path)
    for changes, message in (
        ({"norm_obs": False}, "not normalised"),
        ({"epsilon": -10.0}, "variance is not positive"),
        ({"clip_obs": float("nan")}, "clip holds a value that is no number"),
        ({"obs_rms": RunningMeanStd(shape=(206,))}, "RunningMeanStd|not iterable"),  # not by observable
    ):
        write_published(tmp_path, **changes)
        with pytest.raises(InputError, match=message):
            Expert.load(tmp_path)


def test_observables_in_another_order_are_refused(tmp_path):
    """Without MoCapAct's own features extractor, stable-baselines3 takes the order of the space."""
    write_published(tmp_path, observed=sorted(SIZES))
    with pytest.raises(InputError, match="in the order"):
        Expert.load(tmp_path)


def rewrite(path, **members):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()} | members
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)


def test_other_networks_are_refused(tmp_path):
    write_published(tmp_path)
    with zipfile.ZipFile(tmp_path / MODEL) as archive:
        data = json.loads(archive.read("data"))
    data["policy_kwargs"]["activation_fn"] = "<class 'torch.nn.modules.activation.ELU'>"
    rewrite(tmp_path / MODEL, data=json.dumps(data))
    with pytest.raises(InputError, match=r"activation is .*ELU"):
        Expert.load(tmp_path)
    for name, shape, message in (
        ("mlp_extractor.shared_net.0.weight", (8, 206), "it has .*shared_net"),
        ("mlp_extractor.policy_net.0.weight", (8, 207), "206"),
        ("mlp_extractor.value_net.4.weight", (8, 9), "value network"),
        ("action_net.bias", (21,), "21"),
        ("log_std", (8, 56), "std"),
        ("value_net.bias", (0,), "value network"),
    ):
        write_published(tmp_path, weights={name: torch.zeros(shape)})
        with pytest.raises(InputError, match=f"not those of a snippet expert .*{message}"):
            Expert.load(tmp_path)
    write_published(tmp_path, weights={"action_net.bias": torch.full((56,), torch.nan)})
    with pytest.raises(InputError, match="no number"):
        Expert.load(tmp_path)


@pytest.mark.parametrize("file", [MODEL, NORMALIZER, WEIGHTS, DESCRIPTION])
@pytest.mark.parametrize("damage", ["cut", "removed", "empty", "text"])
def test_damaged_and_missing_files(published, tmp_path, file, damage):
    folder = published[0]
    if file in (WEIGHTS, DESCRIPTION):
        folder = tmp_path / "plain"
        write_parameters(Expert.load(published[0]).data, folder, {})
    content = (folder / file).read_bytes()
    if damage == "removed":
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(
            {"cut": content[: len(content) // 2], "empty": b"", "text": b"no expert"}[damage]
        )
    if (file, damage) == (WEIGHTS, "removed"):
        file = MODEL  # then the published files are looked for
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
