"""Motion for the tests: the built-in one always, real CMU motion where MOCAPACT_TEST_MOTION points to it."""

import os
from pathlib import Path

import h5py
import pytest
import torch

torch.set_num_threads(1)


def real_motion_folder() -> Path:
    folder = os.environ.get("MOCAPACT_TEST_MOTION")
    if not folder:
        pytest.skip("MOCAPACT_TEST_MOTION is not set: no real motion to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def real_motion_file():
    """Call it for real clips in dm_control's trajectory format; skips without them."""
    return lambda: real_motion_folder() / "cmu_few_2020.h5"


@pytest.fixture(scope="session")
def real_amc_folder():
    """Call it for a folder of real ASF/AMC files; skips without them."""
    return lambda: real_motion_folder() / "cmu"


@pytest.fixture(scope="session")
def builtin_motion(tmp_path_factory) -> Path:
    """A trajectory file with all built-in motions."""
    from mocapact_core.clips.builtin import BUILTIN, builtin_trajectory
    from mocapact_core.clips.trajectory import write_trajectory

    folder = tmp_path_factory.mktemp("motion")
    with h5py.File(folder / "builtin.h5", "w") as together:
        for name in BUILTIN:
            write_trajectory(folder / f"{name}.h5", builtin_trajectory(name))
            with h5py.File(folder / f"{name}.h5") as clip:
                clip.copy(name, together)
    return folder / "builtin.h5"
