"""The conda environment and the lock file are one."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_conda_environment_has_the_pins_of_the_lock_file():
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lock if line and not line.startswith(("#", "-"))]
    *_, pip = yaml.safe_load((ROOT / "envs" / "mocapact.yaml").read_text())["dependencies"]
    assert pip["pip"] == pins


def test_every_pin_is_exact():
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    assert all("==" in line for line in lock if line and not line.startswith(("#", "-")))
