"""All numbers of a snippet expert, and the files that hold them without pickle: expert.safetensors and expert.json.

`expert.safetensors` has the tensors, `expert.json` what they mean. To act on observables x, concatenated in the order
that expert.json lists: x = clip((x - mean) / sqrt(variance + epsilon)), then x = tanh(x W^T + b) for every layer
policy.0, policy.1, ...; the last is without tanh. Its outputs are the mean action, std is the standard deviation.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from mocapact_core.errors import InputError
from mocapact_core.files import atomic, read_json, write_json
from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.folder import DESCRIPTION, WEIGHTS

SIZES = dict(zip(TIME_INDEX, (56, 56, 3, 3, 12, 3, 56, 10, 6, 1), strict=True))
"""Features of each observable, in the order in which experts see them."""
N_FEATURES = sum(SIZES.values())
OUTPUTS = {"policy": N_JOINTS, "value": 1}
"""The networks of an expert, and how many numbers come out of each."""
FORMAT = 1

Layer = tuple[np.ndarray, np.ndarray]
"""Weight (outputs, inputs) and bias (outputs,)."""


@dataclass(frozen=True)
class Normaliser:
    """What stable-baselines3's VecNormalize knows."""

    mean: np.ndarray
    """(206,) float64 of the features."""
    variance: np.ndarray
    """(206,) float64 of the features."""
    count: float
    """Observations that these come from."""
    epsilon: float
    """Added to variances."""
    clip: float
    """Largest magnitude of a normalised feature."""
    return_mean: float
    """Of the discounted return."""
    return_variance: float
    """Of the discounted return; rewards are divided by its root."""
    return_count: float
    gamma: float
    """Discount factor of the return."""


@dataclass(frozen=True)
class Parameters:
    """Two tanh networks on the same normalised features, and the noise of the actions.

    Raises:
        ValueError: sizes or values are not those of an expert.
    """

    networks: dict[str, list[Layer]]
    """`policy`, to the mean action, and `value`, to the discounted return as divided by the normaliser."""
    std: np.ndarray
    """(56,) standard deviation of the actions."""
    normaliser: Normaliser

    def __post_init__(self) -> None:
        for network, outputs in OUTPUTS.items():
            _check_network(network, self.networks[network], outputs)
        tensors = self.tensors()
        for name, size in (("mean", N_FEATURES), ("variance", N_FEATURES), ("std", N_JOINTS)):
            if tensors[name].shape != (size,):
                raise ValueError(f"{name} has the shape {tensors[name].shape} instead of {(size,)}")
        known = self.normaliser
        scalars = {field.name: getattr(known, field.name) for field in fields(known)}
        for name, values in {**tensors, **scalars}.items():
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds a value that is no number")
        for name, values in (("variance", known.variance), ("return variance", known.return_variance)):
            if np.any(values + known.epsilon <= 0):
                raise ValueError(f"{name} is not positive")

    def sizes(self, network: str) -> list[int]:
        """Features, units of the hidden layers, and outputs of a network."""
        return [N_FEATURES, *(len(bias) for _, bias in self.networks[network])]

    def tensors(self) -> dict[str, np.ndarray]:
        """Everything that has a shape, by name."""
        named = {"mean": self.normaliser.mean, "variance": self.normaliser.variance, "std": self.std}
        for network, layers in self.networks.items():
            for number, (weight, bias) in enumerate(layers):
                named |= {f"{network}.{number}.weight": weight, f"{network}.{number}.bias": bias}
        return named


def write_parameters(parameters: Parameters, folder: str | PathLike, provenance: dict[str, Any]) -> None:
    """Write expert.safetensors and, last, expert.json; equal parameters are equal bytes."""
    folder, known = Path(folder), parameters.normaliser
    with atomic(folder / WEIGHTS) as temporary:
        save_file({name: np.ascontiguousarray(x) for name, x in parameters.tensors().items()}, temporary)
    description = {
        "format": FORMAT,
        "observables": list(SIZES),
        "observable_sizes": list(SIZES.values()),
        "activation": "tanh",
        "policy": parameters.sizes("policy"),
        "value": parameters.sizes("value"),
        "normaliser": {"count": known.count, "epsilon": known.epsilon, "clip": known.clip},
        "return": {
            "mean": known.return_mean,
            "variance": known.return_variance,
            "count": known.return_count,
            "gamma": known.gamma,
        },
        "provenance": provenance,
    }
    write_json(folder / DESCRIPTION, description)


def read_parameters(folder: str | PathLike) -> Parameters:
    """Read expert.safetensors and expert.json. Raises InputError when they are missing or no expert's."""
    folder = Path(folder)
    try:
        return _parameters(load_file(folder / WEIGHTS), read_json(folder / DESCRIPTION))
    except FileNotFoundError as error:
        raise InputError(
            f"The expert in {folder} is not whole: {Path(error.filename or DESCRIPTION).name} is missing."
        ) from None
    except (
        SafetensorError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise InputError(
            f"{WEIGHTS} and {DESCRIPTION} in {folder} are not those of a snippet expert "
            f"({type(error).__name__}: {error}). Fetch them again, or train the expert again."
        ) from None


def _parameters(tensors: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> Parameters:
    expected = {"format": FORMAT, "observables": list(SIZES), "activation": "tanh"}
    for key, value in expected.items():
        if description[key] != value:
            raise ValueError(f"{key} is {description[key]!r} instead of {value!r}")
    returns = {f"return_{key}": float(description["return"][key]) for key in ("mean", "variance", "count")}
    scalars = {key: float(description["normaliser"][key]) for key in ("count", "epsilon", "clip")}
    gamma = float(description["return"]["gamma"])
    normaliser = Normaliser(tensors["mean"], tensors["variance"], gamma=gamma, **scalars, **returns)
    networks = {
        network: [
            (tensors[f"{network}.{number}.weight"], tensors[f"{network}.{number}.bias"])
            for number in range(len(description[network]) - 1)
        ]
        for network in OUTPUTS
    }
    return Parameters(networks, tensors["std"], normaliser)


def _check_network(name: str, layers: list[Layer], outputs: int) -> None:
    """Raise ValueError unless the layers lead from the features to so many outputs."""
    units = N_FEATURES
    for weight, bias in layers:
        if weight.shape != (len(bias), units):
            raise ValueError(
                f"the {name} network has a layer of shape {weight.shape} instead of {(len(bias), units)}"
            )
        units = len(bias)
    if not layers or units != outputs:
        raise ValueError(f"the {name} network has {units} outputs instead of {outputs}")
