"""What Snakemake plans, and what it refuses to plan."""

import re
from collections import Counter
from typing import get_args

import pytest

from mocapact_core.clips.sources import plan
from mocapact_core.config import load_config
from mocapact_core.estimate.work import work
from mocapact_core.settings import Drawing
from tests.workflow.conftest import ROOT


def test_the_paper_is_planned_without_motion_at_hand(workflow, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.dm_control there
    run = workflow.snakemake("--dry-run", "--quiet", "rules", preset="config/paper.yaml")
    assert run.returncode == 0, run.stderr
    counts = {
        rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", run.stdout + run.stderr, re.MULTILINE)
    }
    assert counted(load_config(ROOT / "config.yaml", ROOT / "config/paper.yaml")) == {
        rule: n for rule, n in counts.items() if rule not in ("all", "total")
    }
    assert counts["extract_clip"] == 836
    assert counts["train_expert"] == counts["evaluate_expert"] == 2589
    assert counts["distill_policy"] == 16  # four weightings with three seeds, four others with one
    assert counts["train_transfer"] == 2 * 3 * 5
    assert counts["table_2"] == counts["figure_16"] == counts["download_archive"] == 1


def counted(settings):
    """The jobs that an estimate counts, by rule."""
    return sum((Counter({row.rule: row.jobs}) for row in work(settings, plan(settings.clips))), Counter())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("experts: {total_step: 5}", ["more.yaml", "experts.total_step is not a setting", "total_steps"]),
        ("clips: {subset: [stand, wawe]}", ["wawe", "wave"]),
        (
            "distillation: {policies: {gpt: {subset: walking}}}",
            ["walking", "locomotion", "distillation.policies.gpt"],
        ),
        (
            "distillation: {policies: {gpt: {validation: wave}}}",
            ["distillation.policies.gpt.validation", "wave-0-90"],
        ),
        ("transfer: {low_level: {general: {policy: rwx}}}", ["rwx", "rwr"]),
        ("figures: {figure_4: [wave-0-91]}", ["wave-0-91", "wave-0-90"]),
        ("figures: {names: [figure_16]}", ["figure_16", "different alpha", "figures.figure_16"]),
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
        ("distillation/rwx/0/policy.json", "results/distillation/rwx/0/policy.json"),
        ("transfer/walk/none/0/evaluation.json", "results/transfer/walk/none/0/evaluation.json"),
    ],
)
def test_what_cannot_be_made_is_named(workflow, target, message):
    run = workflow.snakemake("--cores", "1", f"results/{target}")
    assert run.returncode == 1
    assert message in run.stderr
    assert "KeyError" not in run.stderr


def test_each_table_and_figure_is_a_target_and_says_what_it_lacks(workflow):
    drawn = set(get_args(Drawing)) - {"figure_16"}
    assert drawn <= workflow.planned("--force", *drawn)
    run = workflow.snakemake("--cores", "1", "figure_16")
    assert run.returncode == 1
    assert "Figure 16 cannot be drawn" in run.stderr and "figures.figure_16" in run.stderr
    other = "{kind: npmp, weighting: rwr, alpha: 0.95, evaluate_every: 5}"
    settings = f"distillation: {{policies: {{other: {other}}}}}\nfigures: {{figure_16: [rwr, other]}}"
    planned = workflow.planned("figure_16", settings=settings)
    assert planned == {"distill_policy other 0", "evaluate_policy other 0", "figure_16"}


def test_every_kind_of_multi_clip_policy_is_evaluated(workflow):
    kinds = ("reference_mlp", "time_indexed_mlp", "hierarchical_mlp", "mcp")
    policies = ", ".join(f"{kind}: {{kind: {kind}}}" for kind in kinds)
    planned = workflow.planned("distillation", settings=f"distillation: {{policies: {{{policies}}}}}")
    expected = {f"{rule} {kind} 0" for rule in ("distill_policy", "evaluate_policy") for kind in kinds}
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
    planned = workflow.planned("results/distillation/rwr/0/model.safetensors", settings=shorter)
    assert {"distill_policy rwr 0", "restore_rollouts stand", "restore_rollouts wave"} <= planned
    assert not any(job.startswith(("collect_rollouts", "train_expert")) for job in planned)


def test_long_trainings_ask_for_a_gpu_and_for_no_more_time_than_there_is(workflow):
    cluster = "cluster: {gpu: 'gpu:a100:1', max_hours: 6}\n"
    assert workflow.planned(settings=cluster) == set()
    long = "distillation: {policies: {rwr: {kind: npmp, gradient_steps: 10_000_000}}}\n"
    run = workflow.snakemake("--dry-run", "--forceall", "distillation", settings=cluster + long)
    pattern = r"rule distill_policy:.*?policy=(\w+),.*?runtime=(\d+).*?gres=([^,\n]*)"
    asked = {name: (int(time), gpu) for name, time, gpu in re.findall(pattern, run.stdout, re.DOTALL)}
    assert asked["rwr"] == (6 * 60, "gpu:a100:1")
    assert asked["gpt"] == (11, "")


def test_completing_more_motion_may_take_longer(workflow):
    def limit(completions):
        settings = f"distillation: {{completions_per_snippet: {completions}}}"
        run = workflow.snakemake("--dry-run", "--forceall", "distillation", settings=settings)
        return int(re.search(r"rule complete_motion:.*?runtime=(\d+)", run.stdout, re.DOTALL)[1])

    few, many = limit(16), limit(16_000)
    assert 60 <= few < 70
    # More than `snakemake estimate` says, which counts with a faster processor.
    demo = load_config(workflow.root / "config.yaml")
    asked = demo.model_copy(
        update={"distillation": demo.distillation.model_copy(update={"completions_per_snippet": 16_000})}
    )
    stand_and_wave = asked.clips.model_copy(update={"subset": ["stand", "wave"]})
    [completion] = [row for row in work(asked, plan(stand_and_wave)) if row.rule == "complete_motion"]
    assert many == int(60 + (completion.flops / 30e9 + completion.steps * 2e-3) / 2 / 60)
    assert many > 60 + completion.cpu_seconds / 2 / 60
