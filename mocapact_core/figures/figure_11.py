"""Figure 11: how the distribution of experts changes while they are trained."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from mocapact_core.figures import published
from mocapact_core.figures.curves import COLUMNS, Curve
from mocapact_core.figures.inputs import training_curve
from mocapact_core.figures.published import Summary
from mocapact_core.figures.style import OURS, PAPER, figure, in_two_lines, message
from mocapact_core.files import write_csv

QUANTILES = np.linspace(0, 1, 11)


def draw(progress: Sequence[str | Path], snippets: int, output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Evaluations during training are noisy: the paper's Table 9 is where its experts end.

    Args:
        progress: one training an expert, results/experts/<snippet>/progress.csv. Experts from a zoo have none.
        snippets: how many experts there are.
    """
    curves = {name: [training_curve(path, "steps", name) for path in progress] for name in COLUMNS.values()}
    steps = common_steps(curves["normalized_reward"])
    quantiles = {name: quantiles_along(of, steps) for name, of in curves.items()} if len(steps) else {}
    with figure(output, height=2.5) as page:
        if quantiles:
            for axis, (label, name) in zip(page.subplots(1, 2), COLUMNS.items(), strict=True):
                _draw_quantiles(axis, steps, quantiles[name], published.NOISY_EXPERTS[label])
                axis.set_ylabel(in_two_lines(label))
            handles, labels = page.axes[0].get_legend_handles_labels()
            page.legend(handles, labels, loc="outside lower center", ncols=len(labels))
            page.suptitle(_counted(len(progress), snippets), fontsize=9)
        else:
            message(page, f"{_counted(0, snippets)}: no training curves.")
    rows = [
        [name, step, quantile, value]
        for name, of in quantiles.items()
        for quantile, along in zip(QUANTILES.round(1).tolist(), of.tolist(), strict=True)
        for step, value in zip(steps.tolist(), along, strict=True)
    ]
    write_csv(f"{output}.csv", ["measure", "steps", "quantile", "value"], rows)


def common_steps(curves: Sequence[Curve]) -> np.ndarray:
    """All steps at which any expert was evaluated, sorted."""
    return np.unique(np.concatenate([steps for steps, _ in curves])) if curves else np.zeros(0)


def quantiles_along(curves: Sequence[Curve], steps: np.ndarray) -> np.ndarray:
    """(11, n) quantiles over experts at n steps. An expert whose training has ended stays as it was."""
    values = [np.interp(steps, at, along) for at, along in curves if len(at)]
    return np.quantile(values, QUANTILES, axis=0)


def _draw_quantiles(axis: Axes, steps: np.ndarray, quantiles: np.ndarray, paper: Summary) -> None:
    half = len(QUANTILES) // 2
    for low, high in zip(quantiles[:half], quantiles[::-1], strict=False):
        axis.fill_between(steps, low, high, color=OURS, alpha=0.13, linewidth=0)
    for along in quantiles:
        axis.plot(steps, along, color=OURS, linewidth=0.4)
    axis.lines[-1].set_label("quantiles 0, 0.1, …, 1")
    marker = "o" if len(steps) <= 20 else ""
    axis.plot(steps, quantiles[half], color=OURS, marker=marker, markersize=2.5, label="median")
    assert paper.median is not None and paper.minimum is not None and paper.maximum is not None
    spread = [[paper.median - paper.minimum], [paper.maximum - paper.median]]
    end = 1.06 * max(steps[-1], 1)
    label = "median and range, paper"
    axis.errorbar(end, paper.median, spread, fmt="_", color=PAPER, markersize=7, linewidth=1, label=label)
    axis.set_xlim(0, 1.1 * max(steps[-1], 1))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("Environment steps")
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _counted(trained: int, snippets: int) -> str:
    counted = f"{trained} expert{'' if trained == 1 else 's'}"
    taken = snippets - trained
    return counted + (f"; {taken} more were taken from a zoo" if taken else "")
