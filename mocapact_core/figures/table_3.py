"""Table 3: returns of the transfer tasks by low-level policy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mocapact_core.figures import published
from mocapact_core.figures.inputs import mean_return, transfer_runs
from mocapact_core.figures.published import TRANSFER_SEEDS, Spread
from mocapact_core.figures.tables import spread, write_printed
from mocapact_core.files import write_csv

TITLES = {"go_to_target": "Go-to-target", "velocity_control": "Velocity control"}
LOW_LEVEL = {
    "general": "General low-level policy",
    "locomotion": "Locomotion low-level policy",
    "none": "No low-level policy",
}


def draw(transfers: Sequence[str | Path], output: str | Path) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    Args:
        transfers: one evaluation a run, results/transfer/<task>/<low_level>/<seed>/evaluation.json.
    """
    returns: dict[tuple[str, str], list[float]] = {}
    for run in transfer_runs(transfers):
        returns.setdefault((run.task, run.low_level), []).append(mean_return(run))
    tasks = [task for task in TITLES if any(task == key[0] for key in returns)]
    low_levels = ordered({low_level for _, low_level in returns} | set(LOW_LEVEL))

    rows, printed = [], []
    for task in tasks:
        paper = published.TRANSFER[task]
        for low_level in low_levels:
            values = returns.get((task, low_level))
            if values:
                ours = over_seeds(values)
                rows.append([task, low_level, "this run", len(values), ours.mean, ours.std])
            if low_level in paper:
                rows.append([task, low_level, "paper", TRANSFER_SEEDS, *_numbers(paper[low_level])])
        run_cells = [_printed(returns.get((task, low_level))) for low_level in low_levels]
        paper_cells = [spread(paper.get(low_level), decimals(task)) for low_level in low_levels]
        printed.append([TITLES[task], "this run", *run_cells])
        printed.append([TITLES[task], "paper", *paper_cells])
    write_csv(f"{output}.csv", ["task", "low_level", "origin", "seeds", "mean", "std"], rows)
    caption = (
        "Returns of the transfer tasks: mean, and standard deviation over seeds where there are several "
        "(Table 3 of the paper, after 150 million steps)."
    )
    write_printed(output, caption, ["", "", *(LOW_LEVEL.get(name, name) for name in low_levels)], printed)


def ordered(low_levels: set[str]) -> list[str]:
    """The paper's low-level policies first, in its order, then the others by name."""
    return [name for name in LOW_LEVEL if name in low_levels] + sorted(low_levels - set(LOW_LEVEL))


def over_seeds(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values)) if len(values) > 1 else None)


def decimals(task: str) -> int:
    """As the paper prints them."""
    return 1 if task == "go_to_target" else 0


def _numbers(value: Spread) -> tuple[float, float | None]:
    return value.mean, value.std


def _printed(values: Sequence[float] | None) -> str:
    return spread(over_seeds(values) if values else None, decimals=1)
