"""Experts as stable-baselines3 keeps them: best_model.zip and vecnormalize.pkl, of MoCapAct's authors or of ours.

Of the zip only the weights are read, with torch's `weights_only`, and the normaliser through the restricted
unpickler: neither gym nor the package `mocapact`, which published files name, is needed, and no code in them runs.
"""

import io
import json
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import PREFIX
from mocapact_core.policies.parameters import OUTPUTS, SIZES, Layer, Normaliser, Parameters
from mocapact_core.policies.unpickling import load_pickle, numbers

_NAMES = {
    "policy": ("mlp_extractor.policy_net", "action_net"),
    "value": ("mlp_extractor.value_net", "value_net"),
}
"""What stable-baselines3 calls the hidden layers and the last layer of each network."""


def read_published(model: Path, normalizer: Path) -> Parameters:
    """Read an expert.

    Args:
        model: best_model.zip.
        normalizer: vecnormalize.pkl.

    Raises:
        InputError: a file is missing, damaged, or not that of an expert.
    """
    weights, description = _read_model(model)
    statistics = load_pickle(normalizer)
    try:
        _check_networks(weights, description)
        networks = {network: _layers(weights, network) for network in OUTPUTS}
        return Parameters(networks, weights["log_std"].detach().exp().numpy(), _read_normaliser(statistics))
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{model.name} and {normalizer.name} in {model.parent} are not those of a snippet "
            f"expert ({type(error).__name__}: {error}). Give the folder of an expert, or train it again."
        ) from None


def put_into(parameters: Parameters, model: PPO, env: VecNormalize) -> None:
    """Give a model of stable-baselines3 an expert's weights and statistics; its standard deviation stays its own.

    Raises:
        InputError: the networks of the model have other sizes.
    """
    state = {"log_std": model.policy.log_std.detach()}
    for network, layers in parameters.networks.items():
        for name, (weight, bias) in zip(_layer_names(network, len(layers)), layers, strict=True):
            state |= {f"{name}.weight": torch.as_tensor(weight), f"{name}.bias": torch.as_tensor(bias)}
    before = model.policy.state_dict()
    if {name: values.shape for name, values in state.items()} != {n: v.shape for n, v in before.items()}:
        hidden = [len(bias) for _, bias in _layers(before, "policy")[:-1]]
        raise InputError(
            f"The hidden layers of the expert are {parameters.sizes('policy')[1:-1]} (policy) and "
            f"{parameters.sizes('value')[1:-1]} (value), but experts.hidden is {hidden}. Set experts.hidden to the "
            "expert's, or start from another expert."
        )
    model.policy.load_state_dict(state)
    known, end = parameters.normaliser, 0
    env.clip_obs, env.epsilon = known.clip, known.epsilon
    assert isinstance(env.obs_rms, dict)
    for name, size in SIZES.items():
        start, end = end, end + size
        set_statistics(
            env.obs_rms[PREFIX + name], known.mean[start:end], known.variance[start:end], known.count
        )
    set_statistics(env.ret_rms, known.return_mean, known.return_variance, known.return_count)


def set_statistics(running: RunningMeanStd, mean: Any, variance: Any, count: float) -> None:
    """Give running statistics a copy of these."""
    running.mean, running.var, running.count = np.array(mean), np.array(variance), count


def _layer_names(network: str, n_layers: int) -> list[str]:
    """Hidden layers have even numbers, for their activations count as layers too."""
    hidden, last = _NAMES[network]
    return [f"{hidden}.{2 * number}" for number in range(n_layers - 1)] + [last]


def _layers(weights: Mapping[str, torch.Tensor], network: str) -> list[Layer]:
    n_hidden = sum(name.startswith(_NAMES[network][0]) and name.endswith("weight") for name in weights)
    return [
        (weights[f"{name}.weight"].detach().numpy(), weights[f"{name}.bias"].detach().numpy())
        for name in _layer_names(network, n_hidden + 1)
    ]


def _read_model(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights by stable-baselines3's names, and its description of the model."""
    try:
        with zipfile.ZipFile(path) as archive:
            description = json.loads(archive.read("data"))
            content = archive.read("policy.pth")
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), description
    except FileNotFoundError:
        raise InputError(
            f"There is no expert at {path.parents[2]}: {path.name} is missing. Train it first."
        ) from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        KeyError,
        RuntimeError,
        EOFError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise InputError(
            f"{path} is not a stable-baselines3 model ({error}). It is damaged; delete it and train the expert again."
        ) from None


def _check_networks(weights: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> None:
    """Raise ValueError where weights alone would be misread: another activation, or layers of another kind."""
    activation = description.get("policy_kwargs", {}).get("activation_fn", "Tanh")
    if "Tanh" not in activation:
        raise ValueError(f"the activation is {activation} instead of Tanh")
    known = {
        f"{name}.{part}"
        for network in OUTPUTS
        for name in _layer_names(network, len(_layers(weights, network)))
        for part in ("weight", "bias")
    }
    if unknown := weights.keys() - known - {"log_std"}:
        raise ValueError(f"it has {', '.join(sorted(unknown))} besides two plain networks")


def _read_normaliser(record: Any) -> Normaliser:
    if not record.norm_obs:
        raise ValueError("its observations are not normalised")
    observed = [name for name in record.observation_space.spaces if name in record.obs_rms]
    prefixed = [PREFIX + name for name in SIZES]
    if set(observed) == set(prefixed) and observed != prefixed:
        raise ValueError(f"its observables are in the order {observed} instead of {prefixed}")
    statistics = [record.obs_rms[name] for name in prefixed]
    for name, size, known in zip(prefixed, SIZES.values(), statistics, strict=True):
        if len(numbers(known.mean)) != size:
            raise ValueError(f"{name} has {len(known.mean)} features instead of {size}")
    return Normaliser(
        mean=np.concatenate([numbers(known.mean) for known in statistics]),
        variance=np.concatenate([numbers(known.var) for known in statistics]),
        count=float(statistics[0].count),
        epsilon=float(record.epsilon),
        clip=float(record.clip_obs),
        return_mean=float(numbers(record.ret_rms.mean)),
        return_variance=float(numbers(record.ret_rms.var)),
        return_count=float(record.ret_rms.count),
        gamma=float(record.gamma),
    )
