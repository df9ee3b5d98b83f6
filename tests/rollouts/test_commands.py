"""validate, replay and restore from a shell."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from mocapact_core.cli import main
from mocapact_core.rollouts.validate import validate


@pytest.fixture
def files(recorded, tmp_path):
    """A sound file, one that was cut, and one of something else."""
    sound, cut, foreign = (tmp_path / name for name in ("sound.hdf5", "cut.hdf5", "foreign.hdf5"))
    shutil.copy(recorded.full, sound)
    shutil.copy(recorded.full, cut)
    os.truncate(cut, 100_000)
    shutil.copy(recorded.clip, foreign)
    return sound, cut, foreign


def test_validate_tells_a_verdict_a_file_and_fails_for_errors(files, capsys):
    sound, cut, foreign = files
    assert main(["validate", str(sound)]) == 0
    assert capsys.readouterr().out.startswith(f"{sound}: can be used (2 snippets, 12 good episodes")
    assert main(["validate", *map(str, files)]) == 1
    out, err = capsys.readouterr()
    assert [line.split(" (")[0] for line in out.splitlines() if not line.startswith(" ")] == [
        f"{sound}: can be used",
        f"{cut}: cannot be used",
        f"{foreign}: cannot be used",
    ]
    assert f"validate --delete {cut}` removes it, and the next `snakemake` makes it again" in out
    assert "2 of 3 files cannot be used" in err
    assert all(path.exists() for path in files)


def test_validate_deletes_what_cannot_be_used(files, capsys):
    assert main(["validate", "--delete", *map(str, files)]) == 1
    assert [path.exists() for path in files] == [True, False, False]
    assert "They were deleted" in capsys.readouterr().err


def test_a_file_in_use_is_not_deleted(files, capsys):
    sound = files[0]
    holder = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); input()"
    command = [sys.executable, "-c", holder, str(sound)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        assert main(["validate", "--delete", str(sound)]) == 1
        process.stdin.close()
    assert sound.exists()
    assert f"{sound} cannot be used: it is open elsewhere for writing" in capsys.readouterr().err


def test_replay_prints_lines_or_numbers(recorded, capsys):
    assert main(["replay", str(recorded.full), "--clip", str(recorded.clip), "--episodes", "1"]) == 0
    assert "2 are equal to the bit; 2 end alike" in capsys.readouterr().out
    assert main(["replay", str(recorded.compact), "--episodes", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_episodes"] == 2
    assert main(["replay", str(recorded.compact), "--episodes", "0"]) == 1
    assert "leaves nothing to replay" in capsys.readouterr().err


def test_restore_writes_the_full_file(recorded, tmp_path, capsys):
    output = tmp_path / "full.hdf5"
    assert main(["restore", str(recorded.compact), str(recorded.clip), str(output)]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert validate(output).usable
    assert output.stat().st_size == pytest.approx(recorded.full.stat().st_size, rel=0.01)
