"""The estimate as a table, beside what the jobs that are done have taken."""

import csv
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mocapact_core.clips.sources import plan
from mocapact_core.config import Config
from mocapact_core.distillation.cost import training_seconds
from mocapact_core.estimate.work import Work, work

HEAD = ("stage", "rule", "jobs", "core-hours", "disk", "done", "measured", "left")
LINE = "{:<13} {:<24} {:>7} {:>11} {:>8} {:>7} {:>9} {:>11}"


class Row(NamedTuple):
    """The jobs of a rule, or of all."""

    jobs: int
    hours: float
    """CPU hours of all jobs."""
    bytes: float
    done: int
    measured: float | None
    """CPU time of the jobs that are done over their estimate; None where none is."""
    left: float
    """CPU hours of the other jobs, at the measured speed where there is one."""


def estimate(settings: Config) -> str:
    """What the configuration costs, rule by rule and in total, and what is left of it, as text.

    Jobs that are done are found by their files in `benchmarks`, which have the CPU time of the last attempt.

    Raises:
        InputError: the motion or a zoo cannot be read.
    """
    every = work(settings, plan(settings.clips, settings.tracking))
    rules: dict[tuple[str, str], list[Work]] = {}
    for row in every:
        drawn = row.rule.startswith(("table", "figure"))
        rules.setdefault((row.stage, "tables and figures" if drawn else row.rule), []).append(row)
    lines = [LINE.format(*HEAD)]
    lines += [_line(stage, rule, _row(rows, settings)) for (stage, rule), rows in rules.items()]
    lines.append(_line("all", "", _row(every, settings)))
    return "\n".join([*lines, "", *_notes(settings, every)])


def _row(rows: list[Work], settings: Config) -> Row:
    folder = Path(settings.results) / "benchmarks"
    measured = [_measured(row, folder) for row in rows]
    done = [min(len(seconds), row.jobs) for row, seconds in zip(rows, measured, strict=True)]
    expected = sum(row.cpu_seconds * n / row.jobs for row, n in zip(rows, done, strict=True))
    ratio = sum(map(sum, measured)) / expected if expected else None
    total = sum(row.cpu_seconds for row in rows)
    left = sum(
        row.cpu_seconds * (1 - n / row.jobs) * (sum(seconds) / (row.cpu_seconds * n / row.jobs) if n else 1)
        for row, n, seconds in zip(rows, done, measured, strict=True)
    )
    jobs, stored = sum(row.jobs for row in rows), sum(row.bytes for row in rows)
    return Row(jobs, total / 3600, stored, sum(done), ratio, left / 3600)


def _measured(row: Work, folder: Path) -> list[float]:
    """CPU seconds of the jobs that are done."""
    pattern = f"{row.rule}/{row.files}.tsv" if row.files else f"{row.rule}.tsv"
    return [seconds for file in sorted(folder.glob(pattern)) for seconds in _cpu_seconds(file)]


def _cpu_seconds(file: Path) -> Iterable[float]:
    """The CPU seconds in a benchmark file; of a job too short for them, its seconds."""
    with suppress(OSError, ValueError), open(file, newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            cpu = row.get("cpu_time") or "NA"
            yield float(row["s"] if cpu == "NA" else cpu)


def _line(stage: str, rule: str, row: Row) -> str:
    done = (row.done, f"{row.measured:.2f} x") if row.measured is not None else ("", "")
    return LINE.format(
        stage, rule, f"{row.jobs:,}", _hours(row.hours), _size(row.bytes), *done, _hours(row.left)
    ).rstrip()


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2f}"


def _size(size: float) -> str:
    for unit, n in {"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3}.items():
        if size >= n:
            return f"{size / n:.3g} {unit}"
    return ""


def _notes(settings: Config, every: list[Work]) -> list[str]:
    """How to read it, and what is known of GPUs."""
    policies = settings.distillation.policies
    threads = settings.distillation.threads
    large = [
        row
        for row in every
        if row.training and training_seconds(policies[row.files.removesuffix("/*")], threads) > 3600
    ]
    notes = [
        "Core-hours are CPU time on a server core of 2.3 GHz, as if trainings made all their steps and no episode ended "
        "early; measured: CPU time of the jobs that are done over that; left: of the others, at that speed."
    ]
    if not large:
        return [*notes, "GPU-hours: none; no training of a policy would take more than an hour without."]
    flops, jobs = sum(row.flops for row in large), sum(row.jobs for row in large)
    hours = sum(row.cpu_seconds for row in large) / 3600
    use = "use a GPU" if settings.cluster.gpu else "could use a GPU (cluster.gpu)"
    told = f"{jobs} trainings of policies {use}: {flops / 1e15:,.0f} PFLOP, {_hours(hours)} of the core-hours on CPUs."
    speed = settings.cluster.gpu_teraflops
    if speed is None:
        return [
            *notes,
            f"GPU-hours: unknown, as nothing was run on one here; cluster.gpu_teraflops assumes a speed. {told}",
        ]
    return [
        *notes,
        f"GPU-hours: {_hours(flops / speed / 3.6e15)}, assuming {speed:g} TFLOP/s (cluster.gpu_teraflops). {told}",
    ]
