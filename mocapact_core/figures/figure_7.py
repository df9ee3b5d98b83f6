"""Figure 7: training curves of the transfer tasks."""

from collections.abc import Sequence
from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.curves import draw_curve, finish, mean_curve
from mocapact_core.figures.inputs import training_curve, transfer_runs
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
from mocapact_core.figures.tables import spread
from mocapact_core.files import write_csv

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
                curve = mean_curve([training_curve(run.path, "steps", "return") for run in chosen])
                draw_curve(axis, curve, colours[low_level], _label(task, low_level))
                rows += [[task, low_level, *row] for row in curve.rows()]
            axis.set_title(TITLES[task])
            finish(axis, "Environment steps", "Return")
    write_csv(f"{output}.csv", ["task", "low_level", "seeds", "steps", "mean_return", "std_return"], rows)


def _label(task: str, low_level: str) -> str:
    name = LOW_LEVEL.get(low_level, f"{low_level} (low-level policy)")
    paper = published.TRANSFER[task].get(low_level)
    return f"{name} (paper: {spread(paper, decimals(task))})" if paper else name
