"""Training curves averaged over seeds: lines with a band of one standard deviation each way (Figs. 7, 15, 16)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from mocapact_core.figures.inputs import training_curve
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.style import in_two_lines

Curve = tuple[np.ndarray, np.ndarray]
"""Steps and values, (n,) each."""
COLUMNS = {REWARD: "normalized_reward", LENGTH: "normalized_length"}
"""Of progress.csv of an expert, and validation.csv of a multi-clip policy."""
Kind = TypeVar("Kind", str, float)


@dataclass(frozen=True)
class MeanCurve:
    """Several trainings at once."""

    steps: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    seeds: int

    def rows(self) -> list[list[float]]:
        """For a table: seeds, steps, mean, standard deviation."""
        return [[self.seeds, *map(float, row)] for row in zip(self.steps, self.mean, self.std, strict=True)]


def mean_curve(curves: Sequence[Curve]) -> MeanCurve:
    """Mean and standard deviation at the steps of the first training, where all have data."""
    filled = [curve for curve in curves if len(curve[0])]
    if not filled:
        return MeanCurve(np.zeros(0), np.zeros(0), np.zeros(0), 0)
    first, last = max(steps[0] for steps, _ in filled), min(steps[-1] for steps, _ in filled)
    grid = filled[0][0][(filled[0][0] >= first) & (filled[0][0] <= last)]
    values = np.array([np.interp(grid, steps, along) for steps, along in filled])
    return MeanCurve(grid, values.mean(axis=0), values.std(axis=0), len(filled))


def learning_curves(
    policies: Sequence[str | Path], kinds: Mapping[str, Kind], quantity: str
) -> dict[Kind, MeanCurve]:
    """What policies of each kind come to on the snippets that they are trained on, mean over their trainings.

    Args:
        policies: results/distillation/<policy>/<seed>/validation.csv, of all.
        kinds: of what kind each policy is, by name.
        quantity: REWARD or LENGTH.
    """
    of_kind: dict[Kind, list] = {}
    for path in map(Path, policies):
        curve = training_curve(path, "step", COLUMNS[quantity])
        of_kind.setdefault(kinds[path.parent.parent.name], []).append(curve)
    return {kind: mean_curve(curves) for kind, curves in of_kind.items()}


def draw_curve(axis: Axes, curve: MeanCurve, colour: str, label: str) -> None:
    if curve.seeds > 1:
        low, high = curve.mean - curve.std, curve.mean + curve.std
        axis.fill_between(curve.steps, low, high, color=colour, alpha=0.2, linewidth=0)
    marker = "o" if len(curve.steps) <= 20 else ""
    axis.plot(curve.steps, curve.mean, color=colour, marker=marker, markersize=2.5, label=label)


def finish(axis: Axes, steps: str, value: str) -> None:
    """Axes from 0, with a little room above, and the legend below."""
    axis.set_xlabel(steps)
    axis.set_ylabel(in_two_lines(value))
    axis.set_xlim(left=0)
    bottom, top = min(0, axis.get_ylim()[0]), axis.get_ylim()[1]
    axis.set_ylim(bottom, top + 0.04 * (top - bottom))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.27), borderaxespad=0)
