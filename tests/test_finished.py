"""What a training has made is given back where Snakemake has deleted it."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mocapact_core.finished import forget, give_back, keep


@pytest.fixture
def snakemake(tmp_path):
    (tmp_path / "clip.h5").write_text("motion")
    outputs = [tmp_path / "expert" / name for name in ("progress.csv", "eval_rsi/model/best_model.zip")]
    for output in outputs:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(f"content of {output.name}")
    params = {"settings": "{}", "unrecorded": "{}", "code": "1"}
    return SimpleNamespace(output=[*map(str, outputs)], input=[str(tmp_path / "clip.h5")], params=params)


def deleted(snakemake):
    for output in snakemake.output:
        os.remove(output)


def test_what_was_deleted_is_there_again(snakemake):
    keep(snakemake)
    deleted(snakemake)
    snakemake.params["unrecorded"] = '{"experts": {"checkpoint_every": 5}}'
    assert give_back(snakemake)
    contents = [Path(output).read_text() for output in snakemake.output]
    assert contents == ["content of progress.csv", "content of best_model.zip"]


def test_it_needs_no_space(snakemake):
    keep(snakemake)
    assert [os.stat(output).st_nlink for output in snakemake.output] == [2, 2]


def test_of_other_code_or_input_nothing_is_given_back(snakemake):
    keep(snakemake)
    deleted(snakemake)
    snakemake.params["code"] = "2"
    assert not give_back(snakemake)
    snakemake.params["code"] = "1"
    os.utime(snakemake.input[0], (1, 1))
    assert not give_back(snakemake)
    assert not any(map(os.path.exists, snakemake.output))


def test_what_was_kept_in_part_is_not_given_back(snakemake, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mocapact_core.finished.write_text", full)
    with pytest.raises(OSError):
        keep(snakemake)
    assert not give_back(snakemake)


def test_nothing_is_given_back_that_was_forgotten_or_never_kept(snakemake):
    assert not give_back(snakemake)
    keep(snakemake)
    forget(SimpleNamespace(output=[str(snakemake.output[0]) + ".evaluation.json"]))
    assert not give_back(snakemake)
