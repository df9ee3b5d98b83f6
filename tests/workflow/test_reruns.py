"""What reruns after a change: exactly what hangs on it (and nothing after a touch), case by case."""

import os
import shutil

import h5py
import pytest

from mocapact_core.cli import main
from mocapact_core.humanoid import render

SNIPPETS = ("stand-0-80", "wave-0-90")
TRANSFER = {
    f"{verb}_transfer go_to_target {low_level} 0"
    for verb in ("train", "evaluate")
    for low_level in ("general", "none")
}
MULTI_CLIP_FIGURES = {"table_2", "figure_6", "figure_17", "figure_18"}
MULTI_CLIP = {"distill_policy rwr 0", "evaluate_policy rwr 0", "figure_15"} | MULTI_CLIP_FIGURES
GPT = {"distill_policy gpt 0", "complete_motion gpt 0", "table_4", "figure_8", "figure_9"}
TRANSFER_GENERAL = {job for job in TRANSFER if "general" in job} | {"table_3", "figure_7"}
DISTILLATION = MULTI_CLIP | GPT | TRANSFER_GENERAL
NOISY_FIGURES = {"table_9", "figure_13", "figure_14"}
FIGURE_4 = {"figure_4"} if render.available() else set()
EXPERT_FIGURES = {"table_1", "figure_3", "figure_6", "figure_12"} | NOISY_FIGURES | FIGURE_4
AFTER_EVALUATION = {"gather_evaluations"} | EXPERT_FIGURES


def after_rollouts(clip: str) -> set[str]:
    return {f"collect_rollouts {clip}"} | after_measuring(clip)


def after_measuring(clip: str) -> set[str]:
    """The metrics of other clips stay."""
    return {f"measure_rollouts {clip}", "compute_dataset_metrics", "write_data_card"} | DISTILLATION


def after_training(snippet: str) -> set[str]:
    """What follows from a new expert; completion takes its prompts from experts."""
    figures = AFTER_EVALUATION | {"figure_11"} | {f"render_strip {snippet}" for _ in FIGURE_4}
    return {f"evaluate_expert {snippet}"} | figures | after_rollouts(snippet.split("-")[0])


def after_extraction(snippet: str) -> set[str]:
    return {f"train_expert {snippet}", "gather_clips"} | after_training(snippet)


def touch_everything(root):
    for path in root.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)


def test_nothing_after_a_finished_run(workflow):
    assert workflow.planned() == set()


def test_nothing_after_touching_every_file(workflow):
    touch_everything(workflow.root)
    assert workflow.planned() == set()


@pytest.mark.parametrize(
    ("deleted", "expected"),
    [
        ("clips/stand.h5", {"extract_clip stand"} | after_extraction("stand-0-80")),
        (
            "experts/wave-0-90/eval_rsi/model/best_model.zip",
            {"train_expert wave-0-90"} | after_training("wave-0-90"),
        ),
        ("rollouts/metrics/wave.npz", after_measuring("wave") - {"write_data_card"}),
        ("rollouts/metrics.npz", {"compute_dataset_metrics"} | DISTILLATION),
        ("rollouts/dataset_metrics.npz", {"compute_dataset_metrics"} | DISTILLATION),
        ("clips/all.hdf5", {"gather_clips"} | DISTILLATION),
        ("experts/evaluation.csv", {"gather_evaluations"} | EXPERT_FIGURES - FIGURE_4),
        ("figures/figure_8.png", {"figure_8"}),
    ],
)
def test_after_deleting_a_file(workflow, deleted, expected):
    (workflow.root / "results" / deleted).unlink()
    assert workflow.planned() == expected


def test_after_changing_a_clip(workflow):
    clip = workflow.root / "results" / "clips" / "stand.h5"
    clip.write_text("another motion")
    assert workflow.planned() == after_extraction("stand-0-80")


def test_after_validation_of_a_file_that_was_cut(workflow, capsys):
    """Snakemake does not look into what a rule has made, only whether it is there."""
    rollouts = workflow.root / "results/rollouts/stand.hdf5"
    os.truncate(rollouts, rollouts.stat().st_size // 2)
    assert main(["validate", str(rollouts)]) == 1
    assert rollouts.exists() and "cannot be used" in capsys.readouterr().out
    assert main(["validate", "--delete", str(rollouts)]) == 1
    assert not rollouts.exists()
    assert workflow.planned() == after_rollouts("stand")


def test_after_changing_the_rollouts_of_a_clip(workflow):
    (workflow.root / "results/rollouts/stand.hdf5").write_text("other episodes")
    assert workflow.planned() == after_measuring("stand")


EVERY_EXPERT = set().union(*(after_extraction(snippet) for snippet in SNIPPETS)) - {"gather_clips"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("experts: {total_steps: 100000}", EVERY_EXPERT),
        (
            "evaluation: {rsi_episodes: 7}",
            {f"evaluate_expert {snippet}" for snippet in SNIPPETS} | AFTER_EVALUATION,
        ),
        ("rollouts: {noise: 0.2}", after_rollouts("stand") | after_rollouts("wave")),
        ("distillation: {policies: {gpt: {layers: 2}}}", GPT),
        ("distillation: {policies: {gpt: {evaluate_every: 7}}}", GPT),  # another policy may be the best
        ("distillation: {policies: {gpt: {subset: stand, validation: wave}}}", GPT),
        (
            "distillation: {policies: {rwr: {seeds: [0, 3]}}}",
            {"distill_policy rwr 3", "evaluate_policy rwr 3", "table_2", "figure_15"},
        ),
        ("distillation: {evaluation_noise: []}", {"evaluate_policy rwr 0"} | MULTI_CLIP_FIGURES),
        ("distillation: {completion_steps: 7}", GPT - {"distill_policy gpt 0"}),
        ("distillation: {window_stride: 2}", GPT - {"distill_policy gpt 0"}),
        ("transfer: {gamma: 0.9}", TRANSFER | {"table_3", "figure_7"}),
        ("transfer: {stand: wave}", TRANSFER | {"table_3", "figure_7"}),
        (
            "transfer: {seeds: [0, 1]}",
            {job.replace(" 0", " 1") for job in TRANSFER} | {"table_3", "figure_7"},
        ),
        ("clips: {path: elsewhere}", set()),
        ("experts: {wandb: project, checkpoint_every: 7}", set()),
        ("transfer: {checkpoint_every: 7}", set()),
    ],
)
def test_after_changing_a_setting(workflow, settings, expected):
    assert workflow.planned(settings=settings) == expected


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("mocapact_core/experts/evaluate.py", "NOISE = 0.1", "NOISE = 0.1  # of Table 9", set()),
        (
            "mocapact_core/experts/evaluate.py",
            "NOISE = 0.1",
            "NOISE = 0.2",
            {f"evaluate_expert {snippet}" for snippet in SNIPPETS} | AFTER_EVALUATION,
        ),
        (
            "mocapact_core/transfer/environment.py",
            "import numpy",
            "UNUSED = 1\nimport numpy",
            TRANSFER | {"table_3", "figure_7"},
        ),
        ("mocapact_core/figures/figure_9.py", "WINDOW = 32", "WINDOW = 16", {"figure_9"}),
        ("mocapact_core/figures/figure_3.py", "def draw(", "UNUSED = 1\n\n\ndef draw(", {"figure_3"}),
        (
            "workflow_scripts/complete_motion.py",
            "with job(",
            "1\n    with job(",
            GPT - {"distill_policy gpt 0"},
        ),
        ("mocapact_core/settings.py", "class Settings(", "UNUSED = 1\n\n\nclass Settings(", set()),
    ],
)
def test_after_changing_code(workflow, file, old, new, expected):
    workflow.edit(file, old, new)
    assert workflow.planned() == expected


def test_a_rerun_that_changes_nothing_ends_there(workflow):
    """Across runs, content decides: a clip made again with the same bytes does not retrain its expert."""
    (workflow.root / "results/clips/stand.h5").unlink()
    run = workflow.snakemake("--cores", "1", "--quiet", "all", "--until", "extract_clip")
    assert run.returncode == 0, run.stderr
    assert workflow.planned() == set()


def test_a_changed_archive_reruns_the_clips_that_changed(workflow, builtin_motion):
    archive = workflow.root / "motion.h5"
    shutil.copy(builtin_motion, archive)
    settings = "clips: {source: hdf5, path: motion.h5}"
    run = workflow.snakemake("--cores", "1", "clips", settings=settings)
    assert run.returncode == 0, run.stderr
    os.utime(archive)
    with h5py.File(archive, "r+") as file:
        file["march"].attrs["note"] = "a clip that is not in the subset"
    assert workflow.planned("clips", settings=settings) == set()
    with h5py.File(archive, "r+") as file:
        file["wave"].attrs["note"] = "another wave"
    assert workflow.planned("clips", settings=settings) == {"extract_clip wave", "gather_clips"}
    archive.rename(workflow.root / "moved.h5")
    moved = settings.replace("motion", "moved")
    assert workflow.planned("clips", settings=moved) == {"extract_clip wave", "gather_clips"}
