import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def motion_folder() -> Path:
    """Real motion of the CMU database."""
    folder = os.environ.get("MOCAPACT_TEST_MOTION")
    if not folder:
        pytest.skip("needs real motion: set MOCAPACT_TEST_MOTION to a folder with cmu_few_2020.h5 and cmu/")
    return Path(folder)


@pytest.fixture(scope="session")
def motion_file(motion_folder) -> Path:
    """Eight clips in dm_control's format, from a converter that is not ours."""
    return motion_folder / "cmu_few_2020.h5"
