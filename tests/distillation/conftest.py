"""A small dataset of random rollouts, and short names for training on it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.rollouts.metrics import write_dataset_metrics
from tests.rollouts.synthetic import write_synthetic_rollouts


@dataclass(frozen=True)
class Data:
    rollouts: list[Path]
    metrics: Path
    snippets: list[Snippet]


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Data:
    """Two snippets of different length and value, three episodes each."""
    folder = tmp_path_factory.mktemp("rollouts")
    path = folder / "walk.hdf5"
    write_synthetic_rollouts(path, {"walk-0-50": [40, 45, 30], "walk-40-140": [80, 20, 95]}, n_start=1)
    metrics = write_dataset_metrics([path], folder)
    return Data([path], metrics, [Snippet("walk", 0, 50), Snippet("walk", 40, 140)])


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> dict[Snippet, Path]:
    """Two pieces of built-in motion, one file each."""
    folder = tmp_path_factory.mktemp("clips")
    snippets = {}
    for name, end in (("squat", 60), ("stand", 25)):
        trajectory = builtin_trajectory(name)
        write_trajectory(folder / f"{name}.h5", trajectory)
        snippets[Snippet(name, 0, end)] = folder / f"{name}.h5"
    return snippets
