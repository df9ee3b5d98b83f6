from pathlib import Path

import pytest


@pytest.fixture
def motion_folder(real_amc_folder) -> Path:
    """Real motion of the CMU database."""
    return real_amc_folder().parent


@pytest.fixture
def motion_file(real_motion_file) -> Path:
    """Eight clips in dm_control's format, from a converter that is not ours."""
    return real_motion_file()
