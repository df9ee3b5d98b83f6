"""Disks that are full, read-only or away: files are whole or as they were, and errors say what to do."""

import contextlib
import errno
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.errors import InputError
from mocapact_core.figures.style import figure
from mocapact_core.files import (
    atomic,
    remove_leftovers,
    write_json,
    write_npz,
    write_tensors,
    write_text,
    write_zip,
    writing_hdf5,
)
from tests.chaos import EVERY, Run

NUMBERS = np.random.default_rng(0).random(2**17)  # 1 MB


@pytest.fixture
def mount():
    """Call it to mount something; skips where that is not allowed."""
    mounted = []

    def mount(folder: Path, *arguments: str) -> Path:
        folder.mkdir(exist_ok=True)
        command = ["mount", *arguments, str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root, and not in every container, can mount")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted[::-1]:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


@pytest.fixture
def disk(tmp_path, mount):
    """Call it with a size for a disk of its own."""
    return lambda size: mount(tmp_path / "disk", "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def write_many_datasets(path):
    with writing_hdf5(path) as file:
        for index in range(1000):
            file.create_dataset(f"{index}/x", data=NUMBERS[:100], chunks=(10,), compression="gzip")


def write_one_dataset(path):
    with writing_hdf5(path) as file:
        file["x"] = NUMBERS


def write_figure(path):
    with figure(path.with_suffix("")) as page:
        page.add_subplot().imshow(NUMBERS.reshape(256, -1))


WRITERS = {
    "a.csv": lambda path: write_text(path, "1,2\n" * 2**18),
    "a.json": lambda path: write_json(path, NUMBERS.tolist()),
    "a.npz": lambda path: write_npz(path, {"x": NUMBERS}),
    "model.zip": lambda path: write_zip(path, {"x": NUMBERS.tobytes()}),
    "checkpoint.pth": lambda path: write_tensors(path, {"x": torch.as_tensor(NUMBERS)}),
    "one.h5": write_one_dataset,
    "many.hdf5": write_many_datasets,
    "clip.h5": lambda path: write_trajectory(path, builtin_trajectory("march")),
    "figure.png": write_figure,
}


@pytest.mark.parametrize("name", WRITERS)
def test_on_a_full_disk_the_old_file_stays(disk, name):
    folder = disk("64k")
    (folder / name).write_text("old")
    with pytest.raises(InputError, match=r"cannot be used: No space left on device\. Make room on its disk"):
        WRITERS[name](folder / name)
    assert (folder / name).read_text() == "old"
    assert [path.name for path in folder.iterdir() if not path.name.startswith("figure.pdf")] == [name]


@pytest.mark.parametrize(
    "number, remedy", [(errno.ESTALE, "Mount its file system again"), (errno.EIO, "See to its disk")]
)
def test_a_server_that_is_gone_is_told_of(tmp_path, monkeypatch, number, remedy):
    def gone(*_):
        raise OSError(number, os.strerror(number))

    write_text(tmp_path / "result", "old")
    monkeypatch.setattr("os.fsync", gone)
    with pytest.raises(InputError, match=rf"result cannot be used: {os.strerror(number)}\. {remedy}"):
        write_text(tmp_path / "result", "new")
    assert (tmp_path / "result").read_text() == "old"


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "result"):
        (tmp_path / "there is no such file").read_text()


def test_what_killed_writers_leave_is_removed(tmp_path):
    for name in (".model.zip.x3b.zip", ".model.zip.5_k.zip", ".model.zipper", "model.zip", "other"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "model.zip")
    assert {path.name for path in tmp_path.iterdir()} == {".model.zipper", "model.zip", "other"}


def test_hdf5_files_are_as_h5py_alone_makes_them(tmp_path):
    with writing_hdf5(tmp_path / "ours.h5") as ours, h5py.File(tmp_path / "plain.h5", "w") as plain:
        for file in (ours, plain):
            for index in range(300):
                file.create_dataset(
                    f"{index}/x", data=NUMBERS[:100] + index, chunks=(10,), compression="gzip"
                )
                file[f"{index}/x"].attrs["n"] = index
            file["all"] = NUMBERS
            file["all"][5:10] = 0
    with h5py.File(tmp_path / "ours.h5") as ours, h5py.File(tmp_path / "plain.h5") as plain:
        assert [*ours] == [*plain]
        assert np.array_equal(ours["all"], plain["all"])
        for index in range(300):
            assert np.array_equal(ours[f"{index}/x"], plain[f"{index}/x"])
            assert ours[f"{index}/x"].attrs["n"] == index


class Training:
    """A run of the workflow that trains an expert, with its results on a disk of their own."""

    def __init__(self, folder: Path):
        self.run = Run(folder, ["results/experts/stand-0-80/expert.json"])
        self.results = folder / "results"
        self.log = self.results / "logs/train_expert/stand-0-80.log"
        self.checkpoint = self.results / "experts/stand-0-80/training/checkpoint.pth"

    def start(self, steps: int | None = None) -> subprocess.Popen:
        """Start Snakemake, and return once this training has told so many steps."""
        snakemake = self.run.start("--cores", "1")
        while steps and snakemake.poll() is None:
            time.sleep(0.05)
            with contextlib.suppress(FileNotFoundError):
                if f"{steps:,} steps" in self.log.read_text():
                    break
        return snakemake

    def fails(self, snakemake: subprocess.Popen) -> str:
        """What it says, having failed."""
        assert snakemake.wait() == 1
        assert not (self.results / "experts/stand-0-80/expert.json").exists()
        return self.run.output


def test_a_training_outlives_a_full_a_read_only_and_a_lost_disk(tmp_path, disk, mount):
    training = Training(tmp_path / "run")
    store = disk("20m")
    mount(training.results, "--bind", str(store))

    snakemake = training.start(EVERY)
    with open(store / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(2**12)):
            pass
    said = training.fails(snakemake)
    assert re.search(
        r"training/\S+ cannot be used: No space left on device. Make room on its disk and start again", said
    )
    assert torch.load(training.checkpoint, weights_only=True)["state"]["counters"]["num_timesteps"] >= EVERY
    (store / "filler").unlink()

    subprocess.run(["mount", "-o", "remount,bind,ro", str(training.results)], check=True)
    said = training.fails(training.start())
    assert "Read-only file system" in said
    subprocess.run(["mount", "-o", "remount,bind,rw", str(training.results)], check=True)

    snakemake = training.start(4 * EVERY)
    assert training.log.read_text().startswith("Going on from ")
    subprocess.run(["umount", "--lazy", str(training.results)], check=True)
    said = training.fails(snakemake)
    assert "that is not mounted any more. Mount it again" in said

    mount(training.results, "--bind", str(store))
    assert training.start().wait() == 0
    assert training.log.read_text().startswith("Going on from ")
    alone = Training(tmp_path / "alone")
    assert alone.start().wait() == 0
    assert training.run.files() == alone.run.files()
