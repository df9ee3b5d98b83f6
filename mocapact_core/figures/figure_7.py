"""Figure 7: training curves of the transfer tasks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from mocapact_core.figures import published
from mocapact_core.figures.inputs import TransferRun, training_curve, transfer_runs
from mocapact_core.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ONE_COLUMN,
    ORANGE,
    PURPLE,
    SKY,
    TEXT_WIDTH,
    VERMILION,
    figure,
)
from mocapact_core.figures.table_3 import LOW_LEVEL, TITLES, decimals, ordered
from mocapact_core.figures.tables import spread, write_csv

COLOURS = {"general": BLUE, "locomotion": ORANGE, "none": GREEN}
OTHERS = (VERMILION, PURPLE, SKY, GREY)


def draw(transfers: Sequence[str | Path], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    The line is the mean over seeds, the band one standard deviation each way where there are several. The
    legend gives what the paper reaches after 150 million steps.

    Args:
        transfers: one training a run, results/transfer/<task>/<low_level>/<seed>/progress.csv.
    """
    runs = transfer_runs(transfers)
    tasks = [task for task in TITLES if any(run.task == task for run in runs)]
    low_levels = ordered({run.low_level for run in runs})
    others = [name for name in low_levels if name not in COLOURS]
    colours = COLOURS | {name: OTHERS[index % len(OTHERS)] for index, name in enumerate(others)}

    rows: list[list] = []
    width = TEXT_WIDTH if len(tasks) > 1 else ONE_COLUMN
    with figure(output, width, 2.2 + 0.16 * len(low_levels)) as page:
        panels = page.subplots(1, len(tasks), squeeze=False)[0]
        for axis, task in zip(panels, tasks, strict=True):
            for low_level in low_levels:
                chosen = [run for run in runs if (run.task, run.low_level) == (task, low_level)]
                steps, mean, std = mean_curve(chosen)
                _draw_curve(axis, steps, mean, std if len(chosen) > 1 else None, colours[low_level])
                axis.lines[-1].set_label(_label(task, low_level))
                for values in zip(steps, mean, std, strict=True):
                    rows.append([task, low_level, len(chosen), *map(float, values)])
            _finish(axis, TITLES[task])
    write_csv(f"{output}.csv", ["task", "low_level", "seeds", "steps", "mean_return", "std_return"], rows)


def mean_curve(runs: Sequence[TransferRun]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation over runs at the steps of the first run, where all runs have data."""
    curves = [curve for curve in map(training_curve, runs) if len(curve[0])]
    if not curves:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    first, last = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    grid = curves[0][0][(curves[0][0] >= first) & (curves[0][0] <= last)]
    values = np.array([np.interp(grid, steps, returns) for steps, returns in curves])
    return grid, values.mean(axis=0), values.std(axis=0)


def _draw_curve(axis: Axes, steps: np.ndarray, mean: np.ndarray, std: np.ndarray | None, colour: str) -> None:
    if std is not None:
        axis.fill_between(steps, mean - std, mean + std, color=colour, alpha=0.2, linewidth=0)
    marker = "o" if len(steps) <= 20 else ""
    axis.plot(steps, mean, color=colour, marker=marker, markersize=2.5)


def _label(task: str, low_level: str) -> str:
    name = LOW_LEVEL.get(low_level, f"{low_level} (low-level policy)")
    paper = published.TRANSFER[task].get(low_level)
    return f"{name} (paper: {spread(paper, decimals(task))})" if paper else name


def _finish(axis: Axes, title: str) -> None:
    axis.set_title(title)
    axis.set_xlabel("Environment steps")
    axis.set_ylabel("Return")
    axis.set_xlim(left=0)
    bottom, top = min(0, axis.get_ylim()[0]), axis.get_ylim()[1]
    axis.set_ylim(bottom, top + 0.04 * (top - bottom))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.27), borderaxespad=0)
