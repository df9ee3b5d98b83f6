"""Networks in plain numpy, float64, from the saved numbers: the independent truth of the policies' forward passes."""

import numpy as np


def numbers(policy) -> dict[str, np.ndarray]:
    """The saved numbers of a policy by name."""
    return {name: tensor.double().numpy() for name, tensor in policy.state_dict().items()}


def normalised(policy, observation: np.ndarray) -> np.ndarray:
    """(n, observation), as networks see it."""
    saved = numbers(policy)
    scaled = (observation - saved["normaliser.mean"]) / saved["normaliser.std"]
    return np.clip(scaled, -10, 10)


def multilayer(policy, name: str, x: np.ndarray) -> np.ndarray:
    """The layers `<name>.<number>` one after the other; matrices are linear layers, vectors alone layer norms, and ELU
    follows each layer norm."""
    saved = numbers(policy)
    for number in sorted({int(key.split(".")[-2]) for key in saved if key.startswith(f"{name}.")}):
        weight, bias = (saved[f"{name}.{number}.{part}"] for part in ("weight", "bias"))
        if weight.ndim == 2:
            x = x @ weight.T + bias
        else:
            centred = x - x.mean(axis=1, keepdims=True)
            x = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * weight + bias
            x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    return x
