"""Results that were made in one folder and are copied into another go on there: `results` and `.snakemake/metadata`."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import Copy
from tests.workflow.test_reruns import GPT, after_extraction

MADE = ("results", ".snakemake")


def with_times(made: Path, home: Path) -> None:
    """As `rsync -a` does."""
    for name in ("results", ".snakemake/metadata"):
        shutil.copytree(made / name, home / name)


def without_times(made: Path, home: Path) -> None:
    """As `cp -r` does, and in the worst order: what was made first is the newest."""
    with_times(made, home)
    files = [path for path in (home / "results").rglob("*") if path.is_file()]
    now = time.time()
    for age, path in enumerate(sorted(files, key=os.path.getmtime)):
        os.utime(path, (now - age, now - age))


@pytest.fixture
def moved(finished, tmp_path):
    """Call it with a way of copying: a project like the finished one, elsewhere, with the results of that one."""

    def move(way) -> Copy:
        home = tmp_path / "another" / "home"
        shutil.copytree(finished, home, ignore=shutil.ignore_patterns(*MADE))
        way(finished, home)
        return Copy(home)

    return move


@pytest.mark.parametrize("way", [with_times, without_times])
def test_nothing_is_made_again(moved, way):
    home = moved(way)
    run = home.snakemake("--cores", "1")
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr


@pytest.mark.parametrize("way", [with_times, without_times])
def test_a_change_reruns_what_it_reruns_elsewhere(moved, way):
    home = moved(way)
    assert home.planned(settings="distillation: {policies: {gpt: {layers: 2}}}") == GPT
    (home.root / "results/clips/stand.h5").write_text("another motion")
    assert home.planned() == after_extraction("stand-0-80")


def test_what_conda_or_a_container_has_made_is_as_good(moved):
    """Snakemake's record of a conda environment tells the folder in which it lies: that is another one here."""
    home = moved(with_times)
    for file in (home.root / ".snakemake/metadata").rglob("*"):
        if file.is_file():
            record = json.loads(file.read_text())
            assert record["software_stack_hash"]
            file.write_text(json.dumps(record | {"software_stack_hash": "0" * 32}))
    assert home.planned() == set()


def test_without_records_changes_are_not_seen(moved):
    """Why .snakemake/metadata is copied along."""
    home = moved(with_times)
    shutil.rmtree(home.root / ".snakemake")
    assert home.planned(settings="distillation: {policies: {gpt: {layers: 2}}}") == set()
