"""Experts as MoCapAct's authors published them, for no published one is at hand.

Written with Python 3.8, stable-baselines3 1.x, gym 0.21 and numpy 1.x, their pickles name classes of packages that are
not installed here. They are played by classes of the same names, which exist only while a file is written.
"""

import base64
import contextlib
import io
import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from stable_baselines3.common.running_mean_std import RunningMeanStd

from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.folder import MODEL, NORMALIZER, write_clip_info

SIZES = dict(zip(TIME_INDEX, (56, 56, 3, 3, 12, 3, 56, 10, 6, 1), strict=True))
OTHERS = {"appendages_pos": 15, "body_height": 1, "reference_rel_joints": 280}
"""Some of the observables that the environment shows and experts do not see; they are normalised all the same."""
OBSERVED = sorted({**SIZES, **OTHERS})
"""In alphabetical order, as dm_control's."""


def write_published(
    folder: Path,
    snippet=("wave", 5, 70),
    hidden=(8, 8, 8),
    protocol=4,
    seed=0,
    observed=OBSERVED,
    weights=None,
    **changes,
):
    """Write an expert with random weights and statistics.

    Args:
        protocol: of the pickles; 4 is Python 3.8's, 3 that of Python 3.7.
        observed: names of what the environment shows, in its order.
        weights: changes of the weights, by their names in stable-baselines3.
        changes: changes of the normaliser, by attribute.

    Returns:
        its weights by their names in stable-baselines3, float64, and its normaliser.
    """
    rng = np.random.default_rng(seed)
    with old_packages() as old:
        normalizer = _normalizer(old, rng, observed)
        for name, value in changes.items():
            setattr(normalizer, name, value)
        weights = _weights(rng, hidden) | (weights or {})
        (folder / NORMALIZER).parent.mkdir(parents=True, exist_ok=True)
        (folder / NORMALIZER).write_bytes(dumps(normalizer, protocol))
        kwargs = {
            "activation_fn": torch.nn.Tanh,
            "net_arch": [{"pi": list(hidden), "vf": list(hidden)}],
            "log_std_init": float(np.log(0.1)),
            "features_extractor_class": old["mocapact.sb3.features_extractor.CmuHumanoidFeaturesExtractor"],
        }
        data = {
            "policy_kwargs": {
                **_serialized(kwargs, protocol),
                **{key: value if key == "net_arch" else str(value) for key, value in kwargs.items()},
            },
            "observation_space": _serialized(normalizer.observation_space, protocol),
            "action_space": _serialized(normalizer.action_space, protocol),
            "gamma": 0.95,
            "num_timesteps": 91_000_000,
            "target_kl": float("inf"),
        }
    with zipfile.ZipFile(folder / MODEL, "w") as archive:
        archive.writestr("data", json.dumps(data, indent=4))
        archive.writestr("policy.pth", _saved(weights))
        archive.writestr("policy.optimizer.pth", _saved({"state": {}, "param_groups": []}))
        archive.writestr("_stable_baselines3_version", "1.5.0")
    write_clip_info(folder, *snippet)
    return {name: values.double().numpy() for name, values in weights.items()}, normalizer


def act(weights, normalizer, observation: np.ndarray, network="policy") -> np.ndarray:
    """The outputs of a network for observations (n, 206), by its formulas."""
    statistics = [normalizer.obs_rms[f"walker/{name}"] for name in SIZES]
    mean, variance = (np.concatenate([getattr(s, part) for s in statistics]) for part in ("mean", "var"))
    x = (observation.astype(np.float64) - mean) / np.sqrt(variance + normalizer.epsilon)
    x = np.clip(x, -normalizer.clip_obs, normalizer.clip_obs)
    for layer in (0, 2, 4):
        name = f"mlp_extractor.{network}_net.{layer}"
        x = np.tanh(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])
    head = {"policy": "action_net", "value": "value_net"}[network]
    return x @ weights[f"{head}.weight"].T + weights[f"{head}.bias"]


@contextlib.contextmanager
def old_packages() -> Iterator[dict[str, type]]:
    """Have the classes that published files name, by full name."""
    names = (
        *("gym.spaces.box.Box", "gym.spaces.dict.Dict", "gym.utils.seeding.RandomNumberGenerator"),
        "mocapact.sb3.features_extractor.CmuHumanoidFeaturesExtractor",
        "stable_baselines3.common.vec_env.vec_normalize.VecNormalize",
        *("numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar"),
    )
    modules = {
        name: types.ModuleType(name)
        for name in ("gym", "gym.spaces", "gym.utils", "mocapact", "mocapact.sb3")
    }
    classes = {}
    for full in names:
        module, name = full.rsplit(".", 1)
        classes[full] = type(name, (), {"__module__": module})
        stand_in = modules.setdefault(module, types.ModuleType(module))
        setattr(stand_in, name, classes[full])
    generator = classes["gym.utils.seeding.RandomNumberGenerator"]
    generator._generator_ctor = staticmethod(_named(lambda *_: None, generator, "_generator_ctor"))
    generator.__reduce__ = lambda self: (generator._generator_ctor, ("PCG64",), {"state": 1})
    with mock.patch.dict(sys.modules, modules):
        yield classes


def dumps(content, protocol: int) -> bytes:
    buffer = io.BytesIO()
    _OldPickler(buffer, protocol).dump(content)
    return buffer.getvalue()


class _OldPickler(pickle.Pickler):
    """Arrays and scalars as numpy 1 wrote them."""

    def reducer_override(self, value):
        old = sys.modules["numpy.core.multiarray"]
        if isinstance(value, np.ndarray):
            return old._reconstruct, (np.ndarray, (0,), b"b"), value.__reduce__()[2]
        if isinstance(value, np.generic):
            return old.scalar, (value.dtype, value.tobytes())
        return NotImplemented


def _named(function, owner, name):
    function.__module__, function.__qualname__ = owner.__module__, f"{owner.__name__}.{name}"
    return function


def _normalizer(old, rng, observed):
    def box(size):
        result = old["gym.spaces.box.Box"]()
        low = np.full(size, -np.inf, np.float32)
        result.__dict__.update(
            dtype=np.dtype(np.float32), _shape=(size,), low=low, high=-low, _np_random=None
        )
        return result

    def moments(*shape):
        result = RunningMeanStd(shape=shape)
        result.mean, result.var = rng.normal(size=shape), rng.uniform(0.1, 2, shape)
        result.count = 91_000_000.0001
        return result

    sizes = {f"walker/{name}": (SIZES | OTHERS)[name] for name in observed}
    space, actions = old["gym.spaces.dict.Dict"](), box(56)
    space.__dict__.update(spaces=OrderedDict((name, box(size)) for name, size in sizes.items()), dtype=None)
    actions._np_random = old["gym.utils.seeding.RandomNumberGenerator"]()  # seeded, as the action space is
    normalizer = old["stable_baselines3.common.vec_env.vec_normalize.VecNormalize"]()
    normalizer.__dict__.update(
        num_envs=8,
        observation_space=space,
        action_space=actions,
        norm_obs=True,
        norm_obs_keys=tuple(sizes),
        obs_spaces=space.spaces,
        obs_rms={name: moments(size) for name, size in sizes.items()},
        ret_rms=moments(),
        clip_obs=10.0,
        clip_reward=10.0,
        gamma=0.95,
        epsilon=1e-8,
        training=True,
        norm_reward=True,
        old_reward=rng.normal(size=8).astype(np.float32),
        old_obs={name: rng.normal(size=(8, size)).astype(np.float32) for name, size in sizes.items()},
    )
    normalizer.ret_rms.var = np.float64(normalizer.ret_rms.var)  # a scalar, once it was updated
    return normalizer


def _weights(rng, hidden) -> OrderedDict:
    weights = OrderedDict(log_std=torch.full((56,), float(np.log(0.1))))
    for network, head, outputs in (("policy", "action_net", 56), ("value", "value_net", 1)):
        sizes = [206, *hidden, outputs]
        names = [f"mlp_extractor.{network}_net.{2 * layer}" for layer in range(len(hidden))] + [head]
        for name, n_in, n_out in zip(names, sizes, sizes[1:], strict=False):
            weights[f"{name}.weight"] = torch.tensor(rng.normal(size=(n_out, n_in)) / n_in**0.5).float()
            weights[f"{name}.bias"] = torch.tensor(rng.normal(size=n_out)).float()
    return weights


def _serialized(value, protocol: int) -> dict[str, str]:
    return {":type:": str(type(value)), ":serialized:": base64.b64encode(dumps(value, protocol)).decode()}


def _saved(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
