"""A low-level policy and settings small enough to train in seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mocapact_core.policies.files import save_policy
from mocapact_core.policies.npmp import NPMP
from mocapact_core.settings import LowLevelSettings, TransferSettings

INTENTION = 5


@pytest.fixture
def decoder() -> NPMP:
    torch.manual_seed(0)
    policy = NPMP(intention=INTENTION, encoder=[16], decoder=[32, 32])
    rng = np.random.default_rng(0)
    policy.normaliser.set(rng.normal(size=1291), rng.uniform(0.5, 2, 1291))
    return policy


@pytest.fixture
def policy_folder(decoder, tmp_path) -> Path:
    save_policy(decoder, tmp_path / "npmp")
    return tmp_path / "npmp"


@pytest.fixture
def settings() -> TransferSettings:
    return TransferSettings(
        total_steps=384,
        hidden=[16, 16],
        workers=4,
        steps_per_update=128,
        epochs=2,
        minibatch=64,
        evaluate_every=128,
        selection_episodes=2,
        checkpoint_every=128,
        evaluation_episodes=3,
    )


@pytest.fixture
def general() -> LowLevelSettings:
    return LowLevelSettings(policy="npmp")


@pytest.fixture
def none() -> LowLevelSettings:
    return LowLevelSettings(policy=None, initial_std=0.5, max_action=1.0)
