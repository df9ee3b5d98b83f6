"""Files appear whole or not at all, and equal content is equal bytes."""

import zipfile

import numpy as np
import pytest

from mocapact_core.files import atomic, read_json, sha256, write_json, write_npz, write_text, write_zip


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "result.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half of the new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made(tmp_path):
    write_json(tmp_path / "a/b/c.json", {"b": 1, "a": [1, 2]})
    assert read_json(tmp_path / "a/b/c.json") == {"a": [1, 2], "b": 1}


def test_equal_content_is_equal_bytes(tmp_path, monkeypatch):
    clock = iter(range(0, 10**9, 10**6))
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    arrays = {"x": np.arange(3), "y": np.eye(2)}
    for name in ("first", "second"):
        write_json(tmp_path / name / "j", {"b": 1, "a": 2} if name == "first" else {"a": 2, "b": 1})
        write_npz(tmp_path / name / "n", arrays)
        write_zip(tmp_path / name / "z", {"member": b"content"})
    for file in ("j", "n", "z"):
        assert sha256(tmp_path / "first" / file) == sha256(tmp_path / "second" / file)
    with zipfile.ZipFile(tmp_path / "first/z") as archive:
        assert archive.read("member") == b"content"


def test_files_are_readable_for_others_as_the_umask_says(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode
