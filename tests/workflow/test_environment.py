"""The conda environment, the container and the lock file are one."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CONDA = yaml.safe_load((ROOT / "envs" / "mocapact.yaml").read_text())["dependencies"]


def lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def section(name):
    """The lines of a section of the Apptainer recipe."""
    recipe = (ROOT / "envs" / "mocapact.def").read_text()
    [text] = re.findall(rf"^%{name}\n((?:    .*\n)+)", recipe, re.MULTILINE)
    return [line.strip() for line in text.splitlines()]


def test_the_conda_environment_has_the_pins_of_the_lock_file():
    *_, pip = CONDA
    assert pip["pip"] == lock()


def test_every_pin_is_exact():
    assert all("==" in pin for pin in lock())


def test_every_script_runs_in_the_conda_environment():
    for file in (ROOT / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in rule:
                [environment] = re.findall(r'conda:\n +"(.*)"', rule)
                assert (file.parent / environment).resolve() == ROOT / "envs" / "mocapact.yaml", rule


def test_the_container_has_the_python_of_conda_and_the_packages_of_the_lock_file():
    recipe = (ROOT / "envs" / "mocapact.def").read_text()
    [version] = re.findall(r"^From: python:([\d.]+)-", recipe, re.MULTILINE)
    assert f"python ={version}" in CONDA
    [files] = section("files")
    inside = files.removeprefix("requirements.lock ")
    [install] = [line for line in section("post") if "pip install" in line]
    assert install.endswith(f"--requirement {inside}")


def test_the_container_runs_the_workflow_of_the_folder_that_it_is_started_in(workflow):
    """Its run script, without it."""
    script = "\n".join(section("runscript"))
    arguments = ("--dry-run", "--forceall", "clips", "--configfile", "less.yaml")
    environment = {key: value for key, value in workflow.environment.items() if key != "PYTHONPATH"}
    (workflow.root / "mocapact_core/clips/sources.py").write_text("raise SystemExit('this is the one')")
    run = subprocess.run(
        ["sh", "-c", script, "run", *arguments],
        cwd=workflow.root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "this is the one" in run.stdout + run.stderr
