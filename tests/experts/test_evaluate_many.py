"""Many experts in one process: the same results, and one that is broken stops nobody."""

import csv
import json
import shutil

import numpy as np
import pytest

from mocapact_core.cli import main
from mocapact_core.config import EvaluationSettings, TrackingSettings
from mocapact_core.errors import InputError
from mocapact_core.experts.evaluate import MEASURES, PROTOCOLS, SUMMARY, evaluate_expert
from mocapact_core.experts.evaluate_many import COLUMNS, evaluate_experts, expert_folders
from mocapact_core.policies.expert import CLIP_INFO, MODEL
from tests.experts.conftest import SNIPPET

FEW = EvaluationSettings(rsi_episodes=3, start_episodes=2, min_steps=40)
OPTIONS = ["--set", "evaluation={rsi_episodes: 3, start_episodes: 2, min_steps: 40}"]


@pytest.fixture
def experts(train, expert_folder, motion, tmp_path):
    """Folders of two experts, one of a damaged one and one of a training that has not ended."""
    folder = tmp_path / "experts"
    shutil.copytree(expert_folder, folder / "a")
    shutil.copytree(expert_folder, folder / "b")
    (folder / "b" / MODEL).write_bytes(b"")
    train(folder / "c", seed=1, total_steps=0)
    (folder / "d").mkdir()
    (tmp_path / "clips").mkdir()
    shutil.copy(motion, tmp_path / "clips/wave.h5")
    return folder


def outputs(folder) -> dict[str, bytes]:
    files = [SUMMARY, *(f"evaluation/{protocol}.npz" for protocol in PROTOCOLS)]
    return {file: (folder / file).read_bytes() for file in files}


def test_results_are_those_of_single_runs(experts, motion, tmp_path):
    single = {}
    for name in "ac":
        shutil.copytree(experts / name, tmp_path / name)
        evaluate_expert(motion, SNIPPET, tmp_path / name, FEW, TrackingSettings(), seed=1)
        single[name] = outputs(tmp_path / name)
    folders = expert_folders([experts])
    several = list(evaluate_experts(folders, lambda clip: motion, FEW, TrackingSettings(), seed=1))
    assert [folder.name for folder in folders] == ["a", "b", "c", "d"]
    assert [isinstance(evaluation, InputError) for evaluation in several] == [False, True, False, True]
    assert single["a"] != single["c"]
    for name in "ac":
        assert outputs(experts / name) == single[name]


def test_experts_are_given_one_by_one_or_together(experts):
    assert expert_folders([experts / "c", experts / "a"]) == [experts / "c", experts / "a"]
    assert expert_folders([experts / "c", experts]) == [experts / name for name in "cabd"]
    (experts / ".hidden").mkdir()
    (experts / "table.tsv").touch()
    assert expert_folders([experts]) == [experts / name for name in "abcd"]
    assert expert_folders([experts / "d", experts / "gone"]) == [experts / "d", experts / "gone"]


def test_the_table_has_the_numbers_of_the_evaluations(experts, capsys):
    arguments = ["evaluate", str(experts), "--set", f"results={experts.parent}", *OPTIONS]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert "2 of 4 experts could not be evaluated" in err
    assert f"{experts}/b: " in err
    assert f"{experts}/d: " in err
    table = list(csv.DictReader(out.splitlines(), delimiter="\t"))
    assert [(row["expert"], row["protocol"]) for row in table] == [
        (f"{experts}/{name}", protocol) for name in "ac" for protocol in PROTOCOLS
    ]
    for row in table:
        assert tuple(row) == COLUMNS
        assert row["snippet"] == SNIPPET.name
        measured = json.loads((experts / row["expert"] / SUMMARY).read_text())["protocols"][row["protocol"]]
        for name in ("noise", "episodes", "success_rate"):
            assert float(row[name]) == measured[name]
        for name in MEASURES:
            for column, part in (("", "mean"), ("_low", "low"), ("_high", "high")):
                assert float(row[name + column]) == pytest.approx(measured[name][part], rel=1e-5)


def test_an_interrupted_evaluation_resumes(experts, capsys):
    arguments = ["evaluate", str(experts), "--resume", "--set", f"results={experts.parent}", *OPTIONS]
    main([*arguments[:1], str(experts / "a"), *arguments[3:]])
    before = (experts / "a" / SUMMARY).stat().st_mtime_ns
    capsys.readouterr()
    main(arguments)
    table = capsys.readouterr().out
    assert (experts / "a" / SUMMARY).stat().st_mtime_ns == before
    main(arguments)
    assert capsys.readouterr().out == table


def test_a_retrained_expert_is_evaluated_again(experts, motion):
    """`--resume` keeps nothing that another expert, setting or seed has made."""

    def evaluate(seed=1, **changes):
        settings = FEW.model_copy(update=changes)
        evaluations = evaluate_experts(
            [experts / "a"], lambda clip: motion, settings, TrackingSettings(), seed, True
        )
        return next(evaluations)["protocols"]["rsi_noisy"]["normalized_reward"]["mean"]

    first = evaluate()
    assert evaluate() == first
    assert evaluate(seed=2) != first
    assert evaluate(rsi_episodes=4) != first
    assert evaluate() == first
    shutil.copytree(experts / "c", experts / "a", dirs_exist_ok=True)
    assert evaluate() != first
    (experts / "a" / SUMMARY).write_text("{")
    assert np.isfinite(evaluate())


def test_one_expert_that_is_missing_is_one_message(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "nobody")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"no expert at {tmp_path}/nobody: {CLIP_INFO} is missing" in err
