"""Experts from elsewhere: taken over as they are, or as the start of a training."""

from collections import OrderedDict
from os import PathLike
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from mocapact_core.clips.snippets import Snippet
from mocapact_core.envs import action_space
from mocapact_core.errors import InputError
from mocapact_core.files import read_json
from mocapact_core.humanoid.observables import PREFIX
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import (
    CLIP_INFO,
    DESCRIPTION,
    MODEL,
    NORMALIZER,
    is_plain,
    named_parts,
    read_clip_info,
    write_clip_info,
)
from mocapact_core.policies.parameters import SIZES, Parameters, write_parameters
from mocapact_core.policies.ppo import make_ppo
from mocapact_core.policies.published import put_into
from mocapact_core.policies.sb3 import read_provenance, save_model, save_normalizer
from mocapact_core.provenance import provenance
from mocapact_core.settings import ExpertSettings


def import_expert(source: str | PathLike, snippet: Snippet, folder: str | PathLike) -> None:
    """Take an expert over into the files that training writes, so that all that follows can use it.

    Its weights and statistics are its own. The hyperparameters beside them, for those who train on with
    stable-baselines3, are those of Table 5.

    Args:
        source: its folder, in a zoo.
        snippet: what it must track.
        folder: gets what `train_expert` writes, but nothing on the progress of a training.

    Raises:
        InputError: it is damaged, no expert, or one of another snippet.
    """
    source, folder = Path(source), Path(folder)
    if (tracked := read_clip_info(source)) != snippet:
        raise InputError(
            f"{source / CLIP_INFO} says that the expert tracks {tracked}, not {snippet}. Name its folder by what it "
            "tracks, or take it out of experts.zoo."
        )
    data = Expert.load(source).data
    model, env = as_stable_baselines3(data)
    record: dict[str, Any] = provenance({}, named_parts(source))
    record["origin"] = _origin(source)
    save_model(model, folder / MODEL, record)
    save_normalizer(env, folder / NORMALIZER)
    write_parameters(data, folder, record)
    write_clip_info(folder, snippet.clip, snippet.start, snippet.end)


def start_from(source: str | PathLike, model: PPO, env: VecNormalize) -> None:
    """Give a training the weights and statistics of an expert.

    Raises:
        InputError: it is damaged, no expert, or has other hidden layers.
    """
    print(f"Starting from the expert in {source}.", flush=True)
    put_into(Expert.load(source).data, model, env)


def _origin(source: Path) -> dict[str, Any] | None:
    """What the expert itself tells of where it comes from."""
    if is_plain(source):
        return read_json(source / DESCRIPTION).get("provenance")
    return read_provenance(source / MODEL)


class _Spaces(gymnasium.Env):
    """Tells stable-baselines3 what experts see and do; there is nothing behind it."""

    observation_space = spaces.Dict(
        OrderedDict((PREFIX + name, spaces.Box(-np.inf, np.inf, (size,))) for name, size in SIZES.items())
    )
    action_space = action_space()


def as_stable_baselines3(data: Parameters) -> tuple[PPO, VecNormalize]:
    """An expert as a model of stable-baselines3 and its normaliser."""
    known = data.normaliser
    env = VecNormalize(DummyVecEnv([_Spaces]), gamma=known.gamma)
    settings = ExpertSettings(
        hidden=data.sizes("policy")[1:-1],
        steps_per_update=8192,
        epochs=10,
        minibatch=512,
        clip_range=0.25,
        gamma=known.gamma,
        gae_lambda=0.95,
        max_grad_norm=1.0,
    )
    model = make_ppo(env, "experts", settings, float(data.std[0]), seed=0, learning_rate=1e-5)
    put_into(data, model, env)
    with torch.no_grad():
        model.policy.log_std.copy_(torch.as_tensor(data.std).log())
    return model, env
