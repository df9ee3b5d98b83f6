"""Learned policies on disk: `policy.json` says what the network is, `model.safetensors` holds its numbers.

Nothing is pickled. `load_policy(folder)` is all that is needed to use one.
"""

import json
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file

from mocapact_core.errors import InputError, nearest
from mocapact_core.files import atomic, write_json
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.hierarchical import Hierarchical
from mocapact_core.policies.mcp import MCP
from mocapact_core.policies.mlp import MLP
from mocapact_core.policies.modules import Policy
from mocapact_core.policies.npmp import NPMP

POLICIES: dict[str, type[Policy]] = {
    policy.__name__: policy for policy in (GPT, Hierarchical, MCP, MLP, NPMP)
}
"""The classes a folder can hold, by the name in its policy.json."""
FORMAT = 1


def save_policy(policy: Policy, folder: str | Path, provenance: dict[str, Any] | None = None) -> None:
    """Write a policy; equal policies are equal bytes.

    Args:
        folder: gets `model.safetensors` and, last, `policy.json`.
        provenance: plain JSON on where the policy comes from, kept in policy.json.
    """
    folder = Path(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in policy.state_dict().items()}
    with atomic(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary)
    description = {
        "format": FORMAT,
        "class": type(policy).__name__,
        "observables": list(policy.observables),
        "ref_steps": list(policy.ref_steps),
        "sizes": policy.sizes,
        "provenance": provenance or {},
    }
    write_json(folder / "policy.json", description)


def load_policy(folder: str | Path, device: str = "cpu") -> Any:
    """The policy in `folder`, ready to predict.

    Raises:
        InputError: there is no policy, or it is damaged or of an unknown class.
    """
    folder = Path(folder)
    description = _read_description(folder / "policy.json")
    name = description["class"]
    if name not in POLICIES:
        raise InputError(
            f"{folder}/policy.json asks for the policy class {name!r}, which this version does not have; "
            f"it has {', '.join(sorted(POLICIES))}; the nearest is {nearest(name, list(POLICIES), 1)}."
        )
    try:
        policy = POLICIES[name](description["observables"], description["ref_steps"], **description["sizes"])
        policy.load_state_dict(load_file(folder / "model.safetensors"))
    except FileNotFoundError:
        raise InputError(
            f"{folder} has policy.json but no model.safetensors. Train the policy again."
        ) from None
    except (TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{folder}/model.safetensors and policy.json do not make a {name} policy ({error}). One of them "
            "is damaged or from another version. Train the policy again."
        ) from None
    return policy.to(torch.device(device)).eval()


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        missing = {"class", "observables", "ref_steps", "sizes"} - description.keys()
    except FileNotFoundError:
        raise InputError(
            f"There is no policy in {path.parent}: {path.name} is missing. Folders under "
            "results/distillation hold one once their training is done."
        ) from None
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not the description of a policy: {error}. Train the policy again."
        ) from None
    if missing:
        raise InputError(f"{path} is not the description of a policy: it lacks {', '.join(sorted(missing))}.")
    return description
