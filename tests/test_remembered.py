"""What Snakemake remembers is what it would have worked out anew."""

import asyncio
import hashlib
import inspect
import os
from types import SimpleNamespace

import pytest
import snakemake.api
from snakemake import rules
from snakemake.io import IOFile

from mocapact_core.remembered import once_a_content, once_a_script, remember

THRESHOLD = 1000


@pytest.fixture
def checksum(monkeypatch):
    """Snakemake's checksum of a path, remembered; `reads` are the files that were read for it."""
    reads = []

    def digest(file, algorithm):
        reads.append(file.name)
        return of_python(file, algorithm)

    of_python = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", digest)
    plain = IOFile("file").__class__.checksum
    remembered = once_a_content(getattr(plain, "__wrapped__", plain))
    workflow = SimpleNamespace(iocache=SimpleNamespace(active=False))

    def checksum(path):
        file = IOFile(str(path))
        file.rule = SimpleNamespace(workflow=workflow)
        return asyncio.run(remembered(file, THRESHOLD))

    checksum.reads = reads
    return checksum


def expected(path):
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_a_file_is_read_once_until_it_changes(checksum, tmp_path):
    file, other = tmp_path / "rollouts", tmp_path / "other"
    file.write_text("episodes")
    other.write_text("episodes")
    assert [checksum(file), checksum(file), checksum(other)] == [expected(file)] * 3
    assert checksum.reads == [str(file), str(other)]
    before = file.stat()
    file.write_text("EPISODES")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert checksum(file) == expected(file)
    replacement = tmp_path / "new"
    replacement.write_text("Episodes")
    os.utime(replacement, ns=(0, file.stat().st_mtime_ns))
    replacement.replace(file)
    assert checksum(file) == expected(file)


def test_what_is_too_large_or_missing_has_no_checksum(checksum, tmp_path):
    assert checksum(tmp_path / "missing") is None
    (tmp_path / "large").write_bytes(bytes(THRESHOLD + 1))
    assert checksum(tmp_path / "large") is None
    (tmp_path / "missing").write_text("now")
    assert checksum(tmp_path / "missing") == expected(tmp_path / "missing")


def test_a_script_is_read_once_unless_its_name_depends_on_the_job():
    def read(path, sourcecache, basedir=None, wildcards=None, params=None):
        reads.append((path, basedir))
        return f"{basedir}/{path} of {wildcards}"

    reads: list[tuple] = []
    remembered = once_a_script(read)
    for wildcards in ("one", "two"):
        for folder in ("rules", "more"):
            text = remembered("../train.py", None, folder, wildcards, None)
            assert text == f"{folder}/../train.py of one"
        assert (
            remembered("{snippet}.py", None, "rules", wildcards, None)
            == f"rules/{{snippet}}.py of {wildcards}"
        )
    assert len(reads) == 2 + 2


def test_functions_are_known_by_their_parameters(monkeypatch):
    assert snakemake.api  # its modules are there
    for module in ("rules", "jobs", "common"):
        monkeypatch.setattr(f"snakemake.{module}.get_function_params", rules.get_function_params)
    remember()

    def function(wildcards, attempt):
        return attempt

    parameters = rules.get_function_params(function)
    assert parameters == inspect.signature(function).parameters
    assert rules.get_function_params(function) is parameters
