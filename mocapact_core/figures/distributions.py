"""Histograms over snippets with a line of summaries above: this run's, and below it what the paper prints."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mocapact_core.figures.inputs import summarise
from mocapact_core.figures.published import Summary
from mocapact_core.figures.style import GREY, INK, OURS, PAPER, SPLITS

REWARD_BINS = np.linspace(0, 1.45, 30)  # 1.45 is the largest reward of a step
LENGTH_BINS = np.linspace(0, 1, 21)
FEW = 30
"""Up to this many snippets each one is also shown as a tick under the histogram."""


@dataclass(frozen=True)
class Panel:
    """One histogram. Groups (`training`, `validation`, or one unnamed) have their own colour."""

    label: str
    groups: Mapping[str, np.ndarray]
    paper: Mapping[str, Summary]
    bins: np.ndarray
    count: str = "Snippets"
    title: str = ""


def draw_panels(page: Figure, panels: list[Panel]) -> None:
    """Panels side by side, each a strip of summaries above a histogram; the strips have the same rows."""
    rows = max(len(panel.groups) + len(panel.paper) for panel in panels)
    grid = page.subplots(2, len(panels), squeeze=False, sharex="col", height_ratios=[0.17 * rows, 1.25])
    for column, panel in enumerate(panels):
        _draw_summaries(grid[0, column], panel, labelled=column == 0)
        _draw_histogram(grid[1, column], panel)
        if panel.title:
            grid[0, column].set_title(f"({'abc'[column]}) {panel.title}", loc="left")


def _colour(group: str, otherwise: str) -> str:
    return SPLITS.get(group, otherwise)


def _draw_histogram(axis: Axes, panel: Panel) -> None:
    shown = {name: values for name, values in panel.groups.items() if len(values)}
    several = len(shown) > 1
    for name, values in shown.items():
        counts, edges = np.histogram(np.clip(values, panel.bins[0], panel.bins[-1]), panel.bins)
        colour = _colour(name, OURS)
        if several:  # groups of different size are compared by their share, a single one is counted
            shares = np.where(counts > 0, counts / len(values), np.nan)
            axis.stairs(shares, edges, fill=True, color=colour, alpha=0.35, linewidth=0)
            axis.stairs(shares, edges, color=colour, linewidth=0.9)
        else:
            axis.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colour, alpha=0.5, edgecolor="w")
    if sum(map(len, shown.values())) <= FEW:
        for values in shown.values():
            axis.plot(values, np.zeros(len(values)), "|", color=INK, markersize=5, clip_on=False, zorder=5)
    axis.set_xlabel(panel.label)
    axis.set_ylabel(f"Share of {panel.count.lower()}" if several else panel.count)
    axis.set_xlim(panel.bins[0], panel.bins[-1])
    axis.set_ylim(bottom=0)
    if not several:
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _draw_summaries(axis: Axes, panel: Panel, labelled: bool) -> None:
    rows = [
        ("this run", name, summarise(values) if len(values) else None)
        for name, values in panel.groups.items()
    ]
    rows += [("paper", name, summary) for name, summary in panel.paper.items()]
    for row, (origin, name, summary) in enumerate(rows):
        ours = origin == "this run"
        if summary:
            _draw_summary(axis, -row, summary, _colour(name, OURS if ours else PAPER), filled=ours)
        else:
            axis.text(panel.bins[0], -row, "  none in this run", va="center", color=GREY, fontsize=8)
    axis.set_ylim(0.5 - len(rows), 0.5)
    axis.set_yticks([-row for row in range(len(rows))] if labelled else [])
    if labelled:
        axis.set_yticklabels([f"{origin}, {name}" if name else origin for origin, name, _ in rows])
    axis.tick_params(left=False, bottom=False, labelbottom=False)
    axis.spines[:].set_visible(False)


def _draw_summary(axis: Axes, height: float, summary: Summary, colour: str, filled: bool) -> None:
    """Thin line: minimum to maximum. Thick: one standard deviation each way. Tick: median. Dot: mean."""
    if summary.minimum is not None and summary.maximum is not None and summary.std is not None:
        axis.plot([summary.minimum, summary.maximum], [height] * 2, color=colour, linewidth=0.7)
        low = max(summary.mean - summary.std, summary.minimum)
        high = min(summary.mean + summary.std, summary.maximum)
        axis.plot([low, high], [height] * 2, color=colour, linewidth=3, alpha=0.45, solid_capstyle="butt")
    if summary.median is not None:
        axis.plot(summary.median, height, "|", color=colour, markersize=7, markeredgewidth=1.2, clip_on=False)
    face = colour if filled else "white"
    axis.plot(summary.mean, height, "o", color=colour, markerfacecolor=face, markersize=4, clip_on=False)
