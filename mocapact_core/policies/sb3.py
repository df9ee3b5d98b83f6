"""Saving stable-baselines3 models so that equal models are equal bytes.

Its own `save` writes dates, the machine's name and versions, buffers of recent episodes and memory addresses.
The files written here lack those and load in stable-baselines3 as usual.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.files import atomic, write_zip
from mocapact_core.policies.pickling import portable_pickle
from mocapact_core.provenance import as_text

_PASSING = (
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
    "ep_info_buffer",
    "ep_success_buffer",
    "start_time",
    "rollout_buffer",
    "tensorboard_log",
)
"""Attributes that belong to a run rather than to the model."""


PROVENANCE = "provenance.json"
"""The member of a zip that tells where the model comes from; stable-baselines3 passes over it."""


def save_model(model: BaseAlgorithm, path: Path, provenance: dict[str, Any]) -> None:
    """Write `model` as a zip that `PPO.load` reads, with its provenance (plain JSON) as one more member."""
    _settle(model.observation_space, model.action_space)
    buffer = io.BytesIO()
    model.save(buffer, exclude=_PASSING)
    with zipfile.ZipFile(buffer) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "system_info.txt"}
    members["data"] = _without_descriptions(members["data"])
    members[PROVENANCE] = as_text(provenance).encode()
    write_zip(path, members)


def read_provenance(path: Path) -> dict[str, Any] | None:
    """What a zip of `save_model` tells of where the model comes from; None of other zips."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(PROVENANCE)) if PROVENANCE in archive.namelist() else None


def save_normalizer(normalizer: VecNormalize, path: Path) -> None:
    """Write `normalizer` as a pickle that `VecNormalize.load` reads."""
    _settle(normalizer.observation_space, normalizer.action_space)
    normalizer.old_reward = np.zeros(0)
    normalizer.old_obs = {}
    with atomic(path) as temporary:
        temporary.write_bytes(portable_pickle(normalizer))


def _settle(*spaces: Space) -> None:
    """Spaces remember how they were once printed, and pickle it; have all of them printed."""
    for space in spaces:
        repr(space)


def _without_descriptions(data: bytes) -> bytes:
    """Keep of each pickled entry what is read back; the text beside it holds memory addresses.

    That of the policy's arguments holds none, and is where MoCapAct looks for the activation.
    """
    content = {
        key: {part: value[part] for part in (":type:", ":serialized:")}
        if isinstance(value, dict) and ":serialized:" in value and key != "policy_kwargs"
        else value
        for key, value in json.loads(data).items()
    }
    return json.dumps(content, indent=1, sort_keys=True).encode()
