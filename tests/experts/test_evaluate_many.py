"""Many experts in one process: the same results, and one that is broken stops nobody."""

import csv
import json
import shutil

import numpy as np
import pytest

from mocapact_core.cli import main
from mocapact_core.errors import InputError
from mocapact_core.experts.evaluate import PROTOCOLS, SUMMARY, evaluate_expert
from mocapact_core.experts.evaluate_many import evaluate_experts, experts_at
from mocapact_core.experts.evaluation_table import COLUMNS, write_table
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import CLIP_INFO, MODEL
from mocapact_core.policies.parameters import write_parameters
from mocapact_core.settings import EvaluationSettings, TrackingSettings
from mocapact_core.tasks.measures import MEASURES
from tests.experts.conftest import SNIPPET

FEW = EvaluationSettings(rsi_episodes=3, start_episodes=2, min_steps=40)
ALL = A, B, C, D = "a-5-70", "b-5-70", "c-5-70", "d-5-70"
OPTIONS = ["--set", "evaluation={rsi_episodes: 3, start_episodes: 2, min_steps: 40}"]


@pytest.fixture
def experts(train, expert_folder, motion, tmp_path):
    """Folders of two experts (A, C), one of a damaged one (B) and one of a training that has not ended (D)."""
    folder = tmp_path / "experts"
    shutil.copytree(expert_folder, folder / A)
    shutil.copytree(expert_folder, folder / B)
    (folder / B / MODEL).write_bytes(b"")
    train(folder / C, seed=1, total_steps=0)
    (folder / D).mkdir()
    (tmp_path / "clips").mkdir()
    shutil.copy(motion, tmp_path / "clips/wave.h5")
    return folder


def outputs(folder) -> dict[str, bytes]:
    files = [SUMMARY, *(f"evaluation/{protocol}.npz" for protocol in PROTOCOLS)]
    return {file: (folder / file).read_bytes() for file in files}


def test_results_are_those_of_single_runs(experts, motion, tmp_path):
    single = {}
    for name in (A, C):
        shutil.copytree(experts / name, tmp_path / name)
        evaluate_expert(motion, SNIPPET, tmp_path / name, FEW, TrackingSettings(), seed=1)
        single[name] = outputs(tmp_path / name)
    folders = experts_at([experts])
    several = list(evaluate_experts(folders, lambda clip: motion, FEW, TrackingSettings(), seed=1))
    assert [folder.name for folder in folders] == [*ALL]
    assert [isinstance(evaluation, InputError) for evaluation in several] == [False, True, False, True]
    assert single[A] != single[C]
    for name in (A, C):
        assert outputs(experts / name) == single[name]


def test_an_expert_in_plain_files_is_the_same(experts, motion, tmp_path):
    plain = tmp_path / "plain"
    write_parameters(Expert.load(experts / A).data, plain, {})
    shutil.copy(experts / A / CLIP_INFO, plain)
    published, without_pickle = evaluate_experts(
        [experts / A, plain], lambda clip: motion, FEW, TrackingSettings(), seed=1
    )
    assert without_pickle["protocols"] == published["protocols"]
    assert set(without_pickle["provenance"]["inputs"]) == {"clip", "expert.safetensors", "expert.json"}


def test_experts_are_given_one_by_one_or_together(experts, tmp_path):
    assert experts_at([experts / C, experts / A]) == [experts / C, experts / A]
    assert experts_at([experts / C, experts]) == [experts / name for name in (C, A, B, D)]
    (experts / "table.tsv").touch()
    assert experts_at([experts]) == experts_at([tmp_path]) == [experts / name for name in ALL]
    others = [experts / D, experts / "gone", experts / "table.tsv"]
    assert experts_at(others) == others


def test_the_table_has_the_numbers_of_the_evaluations(experts, capsys):
    arguments = ["evaluate", str(experts), "--set", f"results={experts.parent}", *OPTIONS]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert "2 of 4 experts could not be evaluated" in err
    assert f"{experts / B}: " in err
    assert f"{experts / D}: " in err
    table = list(csv.DictReader(out.splitlines(), delimiter="\t"))
    assert [(row["expert"], row["protocol"]) for row in table] == [
        (f"{experts}/{name}", protocol) for name in (A, C) for protocol in PROTOCOLS
    ]
    for row in table:
        assert tuple(row) == COLUMNS
        assert row["snippet"] == SNIPPET.name
        measured = json.loads((experts / row["expert"] / SUMMARY).read_text())["protocols"][row["protocol"]]
        for name in ("noise", "episodes", "success_rate"):
            assert float(row[name]) == pytest.approx(measured[name], rel=1e-5)
        for name in MEASURES:
            for column, part in (("", "mean"), ("_low", "low"), ("_high", "high")):
                assert float(row[name + column]) == pytest.approx(measured[name][part], rel=1e-5)


def test_a_damaged_evaluation_is_named_and_makes_no_table(tmp_path):
    for content in ("{", "[]", '{"snippet": "a-0-9"}'):
        (tmp_path / SUMMARY).write_text(content)
        with pytest.raises(InputError, match=r"evaluation\.json is no evaluation of an expert.*Delete it"):
            write_table(tmp_path / "evaluation.csv", [tmp_path / SUMMARY])
    assert not (tmp_path / "evaluation.csv").exists()


def test_an_interrupted_evaluation_resumes(experts, capsys):
    arguments = ["evaluate", str(experts), "--resume", "--set", f"results={experts.parent}", *OPTIONS]
    main([*arguments[:1], str(experts / A), *arguments[3:]])
    before = (experts / A / SUMMARY).stat().st_mtime_ns
    capsys.readouterr()
    main(arguments)
    table = capsys.readouterr().out
    assert (experts / A / SUMMARY).stat().st_mtime_ns == before
    main(arguments)
    assert capsys.readouterr().out == table


def test_a_retrained_expert_is_evaluated_again(experts, motion):
    """`--resume` keeps nothing that another expert, setting or seed has made."""

    def evaluate(seed=1, **changes):
        settings = FEW.model_copy(update=changes)
        evaluations = evaluate_experts(
            [experts / A], lambda clip: motion, settings, TrackingSettings(), seed, True
        )
        return next(evaluations)["protocols"]["rsi_noisy"]["normalized_reward"]["mean"]

    first = evaluate()
    assert evaluate() == first
    assert evaluate(seed=2) != first
    assert evaluate(rsi_episodes=4) != first
    assert evaluate() == first
    shutil.copytree(experts / C, experts / A, dirs_exist_ok=True)
    assert evaluate() != first
    (experts / A / SUMMARY).write_text("{")
    assert np.isfinite(evaluate())


def test_one_expert_that_is_missing_is_one_message(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "nobody")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"no expert at {tmp_path}/nobody: {CLIP_INFO} is missing" in err
