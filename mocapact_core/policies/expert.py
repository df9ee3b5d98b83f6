"""Snippet experts: time-indexed Gaussian policies in the files that MoCapAct publishes.

`<folder>/eval_rsi/model/best_model.zip` is a stable-baselines3 model, of which only the weights are read,
and `vecnormalize.pkl` its normaliser, read through the restricted unpickler. Ours and published ones load alike.
"""

import io
import pickle
import zipfile
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mocapact_core.clips.snippets import Snippet
from mocapact_core.errors import InputError
from mocapact_core.files import read_json, write_json
from mocapact_core.humanoid.observables import PREFIX, TIME_INDEX
from mocapact_core.policies.unpickling import load_pickle

MODEL = Path("eval_rsi/model/best_model.zip")
NORMALIZER = Path("eval_rsi/model/vecnormalize.pkl")
CLIP_INFO = Path("clip_info.json")


class Expert(nn.Module):
    """Mean action and value of a snippet expert.

    Attributes:
        observables: the inputs, in order: 206 numbers.
        std: (56,) standard deviation of the actions.
    """

    observables = TIME_INDEX

    def __init__(self, weights: dict[str, torch.Tensor], normalizer: Any):
        super().__init__()
        self.policy = _network(weights, "mlp_extractor.policy_net", "action_net")
        self.value_network = _network(weights, "mlp_extractor.value_net", "value_net")
        statistics = [normalizer.obs_rms[PREFIX + name] for name in self.observables]
        self.mean = nn.Buffer(_joined([s.mean for s in statistics]))
        self.scale = nn.Buffer(_joined([np.sqrt(s.var + normalizer.epsilon) for s in statistics]))
        self.clip = float(normalizer.clip_obs)
        self.std = weights["log_std"].exp().numpy()
        self.value_scale = float(np.sqrt(normalizer.ret_rms.var + normalizer.epsilon))

    @classmethod
    def load(cls, folder: str | PathLike) -> "Expert":
        """Read the expert in `results/experts/<snippet>`, or in a folder of the published model zoo.

        Raises:
            InputError: a file is missing, damaged, or not that of an expert.
        """
        folder = Path(folder)
        weights, normalizer = _read_weights(folder / MODEL), load_pickle(folder / NORMALIZER)
        try:
            return cls(weights, normalizer)
        except (KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"{MODEL.name} and {NORMALIZER.name} in {(folder / MODEL).parent} are not those of a snippet "
                f"expert ({type(error).__name__}: {error}). Give the folder of an expert, or train it again."
            ) from None

    def normalize(self, observation: np.ndarray | torch.Tensor) -> torch.Tensor:
        x = torch.as_tensor(observation, dtype=torch.float32)
        return ((x - self.mean) / self.scale).clamp(-self.clip, self.clip)

    @torch.no_grad()
    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        rng: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Actions in stable-baselines3's manner.

        Args:
            observation: (n, 206), or a dict of arrays by observable, with the prefix `walker/`.
            deterministic: the mean action; otherwise noise is drawn from `rng`.

        Returns:
            (n, 56) actions, and the state, which is None.
        """
        if isinstance(observation, dict):
            observation = np.concatenate([observation[PREFIX + name] for name in self.observables], axis=-1)
        action = self.policy(self.normalize(observation)).numpy()
        if not deterministic:
            rng = rng or np.random.default_rng()
            action = action + self.std * rng.standard_normal(action.shape, np.float32)
        return action, None

    @torch.no_grad()
    def value(self, observation: np.ndarray) -> np.ndarray:
        """(n,) discounted return expected from observations (n, 206), in units of the task's reward."""
        return self.value_network(self.normalize(observation))[:, 0].numpy() * self.value_scale


def expert_files(experts_folder: str | PathLike, snippets: Iterable[Snippet]) -> dict[str, Path]:
    """What is read of the experts of some snippets, for the provenance of what is made with them."""
    return {
        f"{snippet} {part.name}": Path(experts_folder) / snippet.name / part
        for snippet in snippets
        for part in (MODEL, NORMALIZER)
    }


def write_clip_info(folder: Path, clip: str, start: int, end: int) -> None:
    write_json(folder / CLIP_INFO, {"clip_id": clip, "start_step": start, "end_step": end})


def read_clip_info(folder: str | PathLike) -> Snippet:
    """The snippet of the expert in `folder`.

    Raises:
        InputError: clip_info.json is missing or damaged.
    """
    path = Path(folder) / CLIP_INFO
    try:
        info = read_json(path)
        return Snippet(str(info["clip_id"]), int(info["start_step"]), int(info["end_step"]))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"There is no expert at {folder}: {CLIP_INFO} is missing, which comes last in training. Give the "
            "folder of an expert, such as results/experts/CMU_009_12-165-363."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not tell the snippet of an expert ({type(error).__name__}: {error}): it should hold "
            "clip_id, start_step and end_step. Train the expert again, or copy the file again."
        ) from None


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read("policy.pth")
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(
            f"There is no expert at {path.parents[2]}: {path.name} is missing. Train it first."
        ) from None
    except (zipfile.BadZipFile, KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} is not a stable-baselines3 model ({error}). It is damaged; delete it and train the expert again."
        ) from None


def _network(weights: dict[str, torch.Tensor], hidden: str, head: str) -> nn.Sequential:
    """A tanh network of the sizes that the weights have."""
    numbers = sorted(
        int(key.split(".")[2]) for key in weights if key.startswith(hidden) and key.endswith("weight")
    )
    layers: list[nn.Module] = []
    for name in [f"{hidden}.{number}" for number in numbers] + [head]:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1]).requires_grad_(False)


def _joined(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.as_tensor(np.concatenate(parts), dtype=torch.float32)
