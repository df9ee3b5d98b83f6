"""Policies of MoCapAct's model zoo, which PyTorch Lightning 1.6 keeps as checkpoints (`*.ckpt`), as ours.

A checkpoint is a file of `torch.save` that holds a dict. `state_dict` has the weights by name, `hyper_parameters` the
arguments that the policy was made with; epoch, optimiser, callbacks and loops are of no use here. The arguments are
observables (of an NPMP, a ConfigDict with those of `ref_encoder` and `decoder`), ref_steps, spaces of gym, sizes,
activation_fn, layer_norm, squash_output, std_dev, and features_extractor_kwargs. Among these is obs_rms, the
statistics of each observable, or None: they are no part of the weights. x becomes (x - mean) / sqrt(variance + 1e-8),
without a limit. Features are concatenated in the order of the observables.

NPMP: `reference_encoder.encoder.<i>` and `action_decoder.<i>` count linear layer, layer norm and ELU as layers, the last
is linear. The encoder sees the reference features and, behind them, the intention before; its outputs are mean and
logarithm of the standard deviation (ours: of the variance) of the next. The decoder sees proprioception and, behind
it, the intention, and tells the mean action. MoCapAct lets no standard deviation of the intention fall below 1e-5;
ours has no such floor, for so little noise changes no action.

GPT: `gpt.tok_emb`, `gpt.pos_emb` (1, block, embedding), `gpt.blocks.<i>` with ln1, attn.{query,key,value,proj},
attn.mask (a buffer, lower triangular), ln2, mlp.0, mlp.2, then `gpt.ln_f` and `gpt.head`, which has no bias. Heads are
consecutive parts of query, key and value; GELU is the exact one; the normalisation is before attention and perceptron.
Its evaluation in MoCapAct leaves dropout on unless asked for deterministic actions; ours are the latter.

Source: https://github.com/microsoft/MoCapAct, mocapact/distillation/{model,train}.py and mocapact/sb3/*.py.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch

from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import BASE, PREFIX
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.modules import ACTION_STD, Policy
from mocapact_core.policies.npmp import NPMP
from mocapact_core.policies.torch_file import read_torch
from mocapact_core.policies.unpickling import numbers

EPSILON = 1e-8
"""What MoCapAct adds to variances."""
Weights = dict[str, np.ndarray]

_NPMP_IS = {
    "activation_fn": "torch.nn.ELU",
    "layer_norm": True,
    "recurrent_encoder": True,
    "squash_output": False,
    "std_dev": ACTION_STD,
}
"""What the published multi-clip policies have in common, and our network does not leave open."""
_NETWORKS = {"reference_encoder.encoder.": "encoder.", "action_decoder.": "decoder.", "gpt.": ""}
"""What the names of weights begin with, and ours do."""
_PARTS = {
    "tok_emb": "token",
    "pos_emb": "position",
    "ln_f": "norm",
    "blocks": "layers",
    "ln1": "norm_1",
    "ln2": "norm_2",
    "attn": "attention",
    "proj": "project",
}
"""Parts of the GPT's names, and of ours."""


def read_checkpoint(path: str | PathLike) -> NPMP | GPT:
    """Read a published policy; it acts as MoCapAct's does. Nothing that is pickled in the checkpoint runs.

    Raises:
        InputError: the file is missing, damaged, or not the checkpoint of an NPMP or GPT; or the policy is one
            that ours cannot be.
    """
    content, weights = read_torch(path, "state_dict")
    try:
        settings = content["hyper_parameters"]
        if any(name.startswith("gpt.") for name in weights):
            return _gpt(weights, settings)
        if any(name.startswith("reference_encoder.encoder.") for name in weights):
            return _npmp(weights, settings)
        raise ValueError(f"its weights are {', '.join(sorted(weights)[:4])} ...")
    except Exception as error:
        raise InputError(
            f"{path} is not the checkpoint of one of MoCapAct's NPMP or GPT policies ({type(error).__name__}: {error}). "
            "Others cannot be taken over; train such a policy here."
        ) from None


def _rename(weights: Weights) -> Weights:
    """The weights by our names, as far as we have one."""
    ours = {_our_name(name): values for name, values in weights.items()}
    if len(ours) < len(weights):
        raise ValueError("two of its weights are one of ours")
    return ours


def _our_name(name: str) -> str:
    for theirs, ours in _NETWORKS.items():
        if name.startswith(theirs):
            parts = name.removeprefix(theirs).split(".")
            return ours + ".".join(_PARTS.get(part, part) for part in parts)
    return name


def _npmp(weights: Weights, settings: Mapping[str, Any]) -> NPMP:
    for key, value in _NPMP_IS.items():
        if settings[key] != value:
            raise ValueError(f"{key} is {settings[key]!r} instead of {value!r}")
    ours = _rename(weights)
    encoder, decoder = _units(ours, "encoder"), _units(ours, "decoder")
    last = f"encoder.{3 * len(encoder)}"
    size = len(ours[f"{last}.bias"]) // 2
    for part in ("weight", "bias"):
        ours[f"{last}.{part}"][size:] *= 2  # the variance is the square of the standard deviation
    observables = _of_npmp(settings["observables"])
    observation = ours["encoder.0.weight"].shape[1] - size
    steps = [int(step) for step in numbers(settings["ref_steps"], np.int64)]
    with torch.device("meta"):
        policy = NPMP(observables, steps, observation, size, encoder, decoder, max_normalised=None)
    _fill(policy, ours, settings)
    return policy


def _of_npmp(observables: Any) -> list[str]:
    """The encoder's observables, of which the decoder's are the first ones, as in our NPMP."""
    known = observables if isinstance(observables, dict) else observables._fields
    encoder, decoder = _names(known["ref_encoder"]), _names(known["decoder"])
    if tuple(decoder) != BASE or tuple(encoder[: len(BASE)]) != BASE:
        raise ValueError(
            f"observables of the decoder, or the encoder's first ones, are not {', '.join(BASE)}"
        )
    return encoder


def _units(weights: Weights, network: str) -> list[int]:
    """Units of the hidden layers: those of their layer norms."""
    units: list[int] = []
    while (norm := f"{network}.{3 * len(units) + 1}.weight") in weights:
        units.append(len(weights[norm]))
    return units


def _gpt(weights: Weights, settings: Mapping[str, Any]) -> GPT:
    ours = _rename(weights)
    ours["position"] = ours["position"][0]
    block, embedding = ours["position"].shape
    n_layers = 0
    while f"layers.{n_layers}.attention.mask" in ours:
        _merge(ours, f"layers.{n_layers}", block)
        n_layers += 1
    observables = _names(settings["observables"])
    steps = [int(step) for step in numbers(settings["ref_steps"], np.int64)]
    with torch.device("meta"):
        policy = GPT(
            observables,
            steps if any(name.startswith("reference_") for name in observables) else [],
            ours["token.weight"].shape[1],
            block,
            embedding,
            n_layers,
            heads=_heads(settings["n_head"], embedding),
            dropout=float(settings["resid_pdrop"]),
            max_normalised=None,
        )
    _fill(policy, ours, settings)
    return policy


def _merge(ours: Weights, layer: str, block: int) -> None:
    """Name a layer as ours is: its query, key and value are one, and its mask is understood."""
    if not np.array_equal(ours.pop(f"{layer}.attention.mask"), np.tri(block)[None, None]):
        raise ValueError("its attention is not causal")
    for part in ("weight", "bias"):
        merged = [ours.pop(f"{layer}.attention.{name}.{part}") for name in ("query", "key", "value")]
        ours[f"{layer}.attention.query_key_value.{part}"] = np.concatenate(merged)
        ours[f"{layer}.expand.{part}"] = ours.pop(f"{layer}.mlp.0.{part}")
        ours[f"{layer}.project.{part}"] = ours.pop(f"{layer}.mlp.2.{part}")


def _heads(heads: Any, embedding: int) -> int:
    if type(heads) is not int or heads < 1 or embedding % heads:
        raise ValueError(f"{embedding} features cannot be those of {heads!r} heads")
    return heads


def _fill(policy: Policy, weights: Weights, settings: Mapping[str, Any]) -> None:
    """Give a policy its numbers. It has no memory before, so that no forged size can ask for some."""
    arrays = weights | _normaliser(policy, settings["features_extractor_kwargs"]["obs_rms"])
    expected = {name: tuple(values.shape) for name, values in policy.state_dict().items()}
    if missing := sorted(expected.keys() - arrays.keys()):
        raise ValueError(f"it lacks {', '.join(missing)}")
    if unknown := sorted(arrays.keys() - expected.keys()):
        raise ValueError(f"it has {', '.join(unknown)}, which ours has no place for")
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has the shape {arrays[name].shape} instead of {shape}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} holds a value that is no number")
    tensors = {name: torch.from_numpy(arrays[name]) for name in expected}
    policy.load_state_dict(tensors, assign=True)
    policy.eval()


def _normaliser(policy: Policy, statistics: Any) -> Weights:
    size = policy.sizes["observation"]
    mean, std = np.zeros(size, np.float32), np.ones(size, np.float32)
    if statistics is not None:
        known = [statistics[PREFIX + name] for name in policy.observables]
        mean = np.concatenate([numbers(one.mean, np.float32) for one in known])
        std = np.sqrt(np.concatenate([numbers(one.var) for one in known]) + EPSILON).astype(np.float32)
    return {"normaliser.mean": mean, "normaliser.std": std}


def _names(observables: Sequence[str]) -> list[str]:
    """Observables without their prefix."""
    if not isinstance(observables, (list, tuple)) or not all(isinstance(name, str) for name in observables):
        raise ValueError("its observables are no list of names")
    return [name.removeprefix(PREFIX) for name in observables]
