"""Estimates against networks, files and benchmarks that are there."""

import re
from pathlib import Path

import pytest

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.sources import Plan, plan
from mocapact_core.config import Config, load_config, parse_config
from mocapact_core.estimate.table import estimate
from mocapact_core.estimate.work import Work, work

ROOT = Path(__file__).parents[2]
PAPER = load_config(ROOT / "config.yaml", ROOT / "config/paper.yaml")


def rows(settings: Config, planned: Plan | None = None) -> dict[str, Work]:
    return {row.rule: row for row in work(settings, planned or plan(settings.clips))}


def lines(table: str) -> dict[str, list[str]]:
    """The cells of each line, by its stage and rule."""
    cells = (re.split(r"  +", line) for line in table.splitlines() if line)
    return {" ".join(row[:2]): row[2:] for row in cells}


def test_the_paper_costs_about_the_fifty_years_that_it_took():
    """Wagener et al., 2022, appendix: about 50 years of machine time for the experts."""
    years = rows(PAPER)["train_expert"].cpu_seconds / 3600 / 24 / 365
    assert 25 < years < 100


def test_episodes_are_counted_one_by_one():
    """Two motions of 100 and 20 steps, of which random starts leave at least 30, or all, to the end."""
    settings = parse_config({"rollouts": {"start_rollouts": 2, "rsi_rollouts": 4}})
    planned = Plan({"a": 100, "b": 20}, [Snippet("a", 0, 100), Snippet("b", 0, 20)])
    collected = rows(settings, planned)["collect_rollouts"]
    assert collected.steps == 2 * 100 + 4 * (100 + 30) / 2 + 2 * 20 + 4 * 20
    assert collected.bytes == collected.steps * 12_166
    small = parse_config(
        {"rollouts": {"start_rollouts": 2, "rsi_rollouts": 4, "observables": "proprioception"}}
    )
    assert rows(small, planned)["collect_rollouts"].bytes == collected.steps * 1_774


def test_a_policy_counts_with_the_weights_that_it_has():
    hidden = [64, 48]
    settings = parse_config(
        {
            "distillation": {
                "policies": {
                    "rwr": {"kind": "npmp"},
                    "gpt": {"kind": "gpt"},
                    "plain": {
                        "kind": "reference_mlp",
                        "hidden": hidden,
                        "batch": 10,
                        "sequence": 5,
                        "gradient_steps": 7,
                        "evaluate_every": 0,
                    },
                }
            }
        }
    )
    [plain] = [row for row in work(settings, plan(settings.clips)) if row.training and "plain" in row.files]
    weights = 1291 * 64 + 64 * 48  # all but those of its last layer
    assert plain.flops == 6 * weights * 10 * 5 * 7


def test_what_is_done_corrects_the_estimate_of_what_is_left(tmp_path):
    settings = parse_config(
        {"results": str(tmp_path), "clips": {"subset": ["stand", "wave", "sway", "march"]}}
    )
    one = rows(settings)["train_expert"].cpu_seconds / 4
    folder = tmp_path / "benchmarks/train_expert"
    folder.mkdir(parents=True)
    for snippet, speed in {"stand-0-80": 1.5, "wave-0-90": 2.5}.items():
        text = f"s\th:m:s\tcpu_time\n9.5\t0:00:09\t{one * speed}\n"
        (folder / f"{snippet}.tsv").write_text(text)
    (folder / "sway-0-90.tsv").write_text("")  # of a job that is just ending
    cells = lines(estimate(settings))
    jobs, hours, _, done, measured, left = cells["experts train_expert"]
    assert (jobs, done, measured) == ("4", "2", "2.00 x")
    assert float(left) == pytest.approx(float(hours), abs=0.02)  # half of the jobs, twice as slow


def test_gpu_hours_are_told_only_of_a_speed_that_is_given():
    told = estimate(PAPER)
    assert "GPU-hours: unknown" in told and "16 trainings" in told
    flops = sum(row.flops for row in work(PAPER, plan(PAPER.clips)) if row.training)
    assumed = PAPER.cluster.model_copy(update={"gpu_teraflops": 10})
    [hours] = re.findall(
        r"GPU-hours: ([\d.,]+), assuming 10 TFLOP/s", estimate(PAPER.model_copy(update={"cluster": assumed}))
    )
    assert float(hours.replace(",", "")) == pytest.approx(flops / 10e12 / 3600, rel=0.01)
    assert "GPU-hours: none" in estimate(load_config(ROOT / "config.yaml"))
