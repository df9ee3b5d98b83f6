"""What Snakemake plans, and what it refuses to plan."""

import re

import pytest


def test_the_paper_is_planned_without_motion_at_hand(workflow, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.dm_control there
    run = workflow.snakemake("--dry-run", "--quiet", "rules", preset="config/paper.yaml")
    assert run.returncode == 0, run.stderr
    counts = {
        rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", run.stdout + run.stderr, re.MULTILINE)
    }
    assert counts["extract_clip"] == 836
    assert counts["train_expert"] == counts["evaluate_expert"] == 2589
    assert counts["distill_policy"] == 8
    assert counts["train_transfer"] == 2 * 3 * 5
    assert counts["draw_table_2"] == counts["download_archive"] == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("experts: {total_step: 5}", ["more.yaml", "experts.total_step is not a setting", "total_steps"]),
        ("clips: {subset: [stand, wawe]}", ["wawe", "wave"]),
        (
            "distillation: {policies: {gpt: {subset: walking}}}",
            ["walking", "locomotion", "distillation.policies.gpt"],
        ),
        ("transfer: {low_level: {general: {policy: rwx}}}", ["rwx", "rwr"]),
    ],
)
def test_bad_settings_end_it_before_any_job_with_one_paragraph(workflow, settings, words):
    run = workflow.snakemake("--cores", "1", settings=settings)
    assert run.returncode == 1
    assert all(word in run.stderr for word in words), run.stderr
    assert "Traceback" not in run.stderr
    assert "Building DAG" not in run.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("clips/wawe.h5", "no clip wawe; the nearest are wave"),
        ("rollouts/march.hdf5", "march is not part of this run; the nearest are"),
        ("experts/wave-0-91/progress.csv", "wave-0-91 is not part of this run; the nearest are wave-0-90"),
        ("distillation/rwx/policy.json", "results/distillation/rwx/policy.json"),
        ("transfer/walk/none/0/evaluation.json", "results/transfer/walk/none/0/evaluation.json"),
    ],
)
def test_what_cannot_be_made_is_named(workflow, target, message):
    run = workflow.snakemake("--cores", "1", f"results/{target}")
    assert run.returncode == 1
    assert message in run.stderr
    assert "KeyError" not in run.stderr


def test_every_kind_of_multi_clip_policy_is_evaluated(workflow):
    kinds = ("reference_mlp", "time_indexed_mlp", "hierarchical_mlp", "mcp")
    policies = ", ".join(f"{kind}: {{kind: {kind}}}" for kind in kinds)
    planned = workflow.planned("distillation", settings=f"distillation: {{policies: {{{policies}}}}}")
    expected = {f"{rule} {kind}" for rule in ("distill_policy", "evaluate_policy") for kind in kinds}
    assert planned == expected


def test_compact_rollouts_are_restored_for_as_long_as_they_are_read(workflow):
    settings = "rollouts: {observables: proprioception}"
    run = workflow.snakemake("--cores", "2", "rollouts", "distillation", settings=settings)
    assert run.returncode == 0, run.stdout + run.stderr
    folder = workflow.root / "results/rollouts"
    assert {path.name for path in folder.glob("*.hdf5")} == {"stand.hdf5", "wave.hdf5"}
    assert not list(folder.glob("restored/*.hdf5"))
    assert workflow.planned("rollouts", "distillation", settings=settings) == set()
    shorter = settings + "\ndistillation: {policies: {rwr: {kind: npmp, gradient_steps: 3}}}"
    planned = workflow.planned("results/distillation/rwr/model.safetensors", settings=shorter)
    assert {"distill_policy rwr", "restore_rollouts stand", "restore_rollouts wave"} <= planned
    assert not any(job.startswith(("collect_rollouts", "train_expert")) for job in planned)
