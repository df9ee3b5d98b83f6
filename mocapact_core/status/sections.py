"""The state and quality of everything that a configuration asks for, read from the files of its results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocapact_core.clips.snippets import Snippet
from mocapact_core.config import Config
from mocapact_core.policies.folder import CLIP_INFO, MODEL, NORMALIZER
from mocapact_core.status.traces import (
    Log,
    failures,
    is_recent,
    number,
    read_log,
    read_object,
    read_table,
    seconds,
)

STATES = ("failed", "stopped", "training", "trained", "evaluated", "waiting")
"""As sorted: what wants attention comes first. stopped: neither an error nor a sign of life; the next run goes on."""
UNDERWAY = ("training", "stopped")
PROGRESS = "progress.csv"


@dataclass(frozen=True)
class Row:
    name: str
    state: str
    values: Sequence[float | bool | None]
    """One a column of its section."""
    share: float | None = None
    """How much of the training is done, in [0, 1]."""
    note: str = ""
    trained: bool = False
    """Whether it is there, also where its evaluation failed."""


@dataclass(frozen=True)
class Section:
    """A table. Its columns: name, what it means, and how it is written (`decimal`, `count`, `time` or `there`)."""

    title: str
    named: str
    """What its rows are."""
    columns: Sequence[tuple[str, str, str]]
    rows: Sequence[Row]


def sections(settings: Config, planned: Sequence[Snippet]) -> list[Section]:
    """What there is to tell. Nothing but files is looked at, each once, so that it can be told at any time."""
    folder = Path(settings.results)
    made = [_snippets(folder, settings, planned), _policies(folder, settings), _transfer(folder, settings)]
    others = [
        Row(f"{rule} {name}".rstrip(), "failed", (), None, error) for rule, name, error in _others(folder)
    ]
    return made + ([Section("Other jobs that failed", "job", (), others)] if others else [])


def _others(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Failures that the rows of other sections do not tell."""
    told = {"train_expert", "import_expert", "evaluate_expert", "distill_policy", "evaluate_policy"}
    told |= {"complete_motion", "train_transfer", "evaluate_transfer"}
    return (failure for failure in failures(folder / "logs") if failure[0] not in told)


# ---- Snippets

_OF_SNIPPETS = (
    ("reward", "mean normalised reward from random steps (RSI); without noise once evaluated", "decimal"),
    ("length", "mean normalised length from random steps (RSI); without noise once evaluated", "decimal"),
    ("from start", "mean normalised length from the start of the snippet", "decimal"),
    ("at step", "environment steps at which training had that reward, the best so far", "count"),
    ("time", "of training, h:mm:ss, where it has ended", "time"),
    ("rollouts", "whether those of its clip are collected", "there"),
)


def _snippets(folder: Path, settings: Config, planned: Sequence[Snippet]) -> Section:
    rollouts = {path.stem for path in (folder / "rollouts").glob("*.hdf5")}
    total = settings.experts.total_steps
    rows = [_snippet(folder, snippet.name, snippet.clip in rollouts, total) for snippet in planned]
    return Section("Snippets", "snippet", _OF_SNIPPETS, rows)


def _snippet(folder: Path, name: str, collected: bool, total: int) -> Row:
    expert = folder / "experts" / name
    progress = read_table(expert / "progress.csv")
    best: dict[str, Any] = max(progress, key=lambda row: number(row, "normalized_reward") or 0.0, default={})
    evaluation = read_object(expert / "evaluation.json")
    quality = [
        _first(number(evaluation, "protocols", protocol, measure, "mean"), number(best, in_training))
        for protocol, measure, in_training in (
            ("rsi", "normalized_reward", "normalized_reward"),
            ("rsi", "normalized_length", "normalized_length"),
            ("start", "normalized_length", "start_normalized_length"),
        )
    ]
    made = Made(folder, expert, name, (CLIP_INFO, MODEL, NORMALIZER), ("train_expert", "import_expert"))
    values = (*quality, number(best, "steps"), made.time, collected)
    return _row(made, values, bool(evaluation), ("evaluate_expert",), made.done(progress, "steps"), total)


# ---- Policies

_OF_POLICIES = (
    ("reward", "mean normalised reward on snippets from random steps (RSI)", "decimal"),
    ("length", "mean normalised length on snippets from random steps (RSI)", "decimal"),
    ("clips", "mean normalised reward on whole clips from random steps", "decimal"),
    ("completion", "of a GPT: seconds that it goes on after a prompt, median", "decimal"),
    ("step", "gradient steps made", "count"),
    ("time", "of training, h:mm:ss, where it has ended", "time"),
)


def _policies(folder: Path, settings: Config) -> Section:
    rows = [
        _policy(folder, f"{name}/{seed}", policy.kind == "gpt", policy.gradient_steps)
        for name, policy in settings.distillation.policies.items()
        for seed in policy.seeds
    ]
    return Section("Policies", "policy", _OF_POLICIES, rows)


def _policy(folder: Path, name: str, completes: bool, total: int) -> Row:
    policy = folder / "distillation" / name
    progress, meanwhile = read_table(policy / "progress.csv"), read_table(policy / "validation.csv")
    last: dict[str, Any] = meanwhile[-1] if meanwhile else {}
    evaluation = read_object(policy / ("completion.json" if completes else "evaluation.json"))
    quality = (
        _first(number(evaluation, of, "rsi", measure, "mean"), number(last, in_training))
        for of, measure, in_training in (
            ("snippets", "normalized_reward", "normalized_reward"),
            ("snippets", "normalized_length", "normalized_length"),
            ("clips", "normalized_reward", "clips_normalized_reward"),
        )
    )
    completion = _first(number(evaluation, "all", "seconds", "median"), number(last, "completion_seconds"))
    made = Made(folder, policy, name, ("policy.json", "model.safetensors"), ("distill_policy",))
    done = made.done(progress, "step")
    values = (*quality, completion, done or None, made.time)
    return _row(made, values, bool(evaluation), ("evaluate_policy", "complete_motion"), done, total)


# ---- Transfer

_OF_TRANSFER = (
    ("return", "mean return of the evaluation; before it, of the latest episodes in training", "decimal"),
    ("length", "mean length of those episodes, control steps", "decimal"),
    ("fallen", "share of the evaluation's episodes that end in a fall", "decimal"),
    ("step", "environment steps made", "count"),
    ("time", "of training, h:mm:ss, where it has ended", "time"),
)


def _transfer(folder: Path, settings: Config) -> Section:
    wanted = settings.transfer
    rows = [
        _run(folder, f"{task}/{low_level}/{seed}", wanted.total_steps)
        for task in wanted.tasks
        for low_level in wanted.low_level
        for seed in wanted.seeds
    ]
    return Section("Transfer", "task/low-level policy/seed", _OF_TRANSFER, rows)


def _run(folder: Path, name: str, total: int) -> Row:
    run = folder / "transfer" / name
    progress = read_table(run / "progress.csv")
    last: dict[str, Any] = next((row for row in reversed(progress) if row.get("return")), {})
    evaluation = read_object(run / "evaluation.json")
    made = Made(folder, run, name, ("best_model.zip", "vecnormalize.pkl"), ("train_transfer",))
    done = made.done(progress, "steps")
    values = (
        _first(number(evaluation, "mean_return"), number(last, "return")),
        _first(number(evaluation, "mean_length"), number(last, "length")),
        number(evaluation, "fallen"),
        done or None,
        made.time,
    )
    return _row(made, values, bool(evaluation), ("evaluate_transfer",), done, total)


# ---- What they share


class Made:
    """What a training makes, as far as it has come.

    Args:
        results: folder of all results.
        folder: of what is made, with the table that the training writes.
        name: its wildcards.
        parts: files in `folder`. All are there once it is made.
        rules: that make it. The first trains it.
    """

    def __init__(
        self, results: Path, folder: Path, name: str, parts: Sequence[str | Path], rules: Sequence[str]
    ):
        self.results, self.name, self.progress = results, name, folder / PROGRESS
        self.logs = _logs(results, name, *rules)
        self.trained = all((folder / part).exists() for part in parts)
        self.time = seconds(results / "benchmarks" / rules[0] / f"{name}.tsv") if self.trained else None

    def done(self, progress: Sequence[dict[str, str]], steps: str) -> float:
        """The latest step that its logs and its table, in the column `steps`, tell."""
        told = [number(row, steps) or 0 for row in progress[-1:]]
        return max([log.step for log in self.logs] + told, default=0)


def _row(
    made: Made,
    values: Sequence[float | bool | None],
    evaluated: bool,
    evaluations: Sequence[str],
    done: float,
    total: int,
) -> Row:
    """The row of a training, of which `done` steps of `total` are made; `evaluations` are the rules that follow it."""
    state, note = _state(made, evaluated, _logs(made.results, made.name, *evaluations))
    share = done / total if state in UNDERWAY and total else None
    return Row(made.name, state, values, share, note, made.trained)


def _state(made: Made, evaluated: bool, evaluation: Sequence[Log]) -> tuple[str, str]:
    """The state, and what there is to say about it: the last line of the log.

    What is there is whole, as Snakemake removes what a job leaves that fails: errors in logs count without it alone.

    Args:
        evaluation: the logs of the jobs that evaluate it.
    """
    if made.trained and evaluated:
        return "evaluated", ""
    logs = evaluation if made.trained else made.logs
    for log in logs:
        if log.failed:
            return "failed", log.last
    if made.trained:
        return "trained", ""
    if logs:
        latest = max(logs, key=lambda log: log.changed)
        return ("training" if latest.running else "stopped"), latest.last
    if made.progress.exists():
        return ("training" if is_recent(made.progress.stat().st_mtime) else "stopped"), ""
    return "waiting", ""


def _logs(folder: Path, name: str, *rules: str) -> list[Log]:
    found = (read_log(folder / "logs" / rule / f"{name}.log") for rule in rules)
    return [log for log in found if log]


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
