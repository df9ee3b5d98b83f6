"""Scatter plots of rewards and lengths of episodes against how long a snippet or clip is (Figs. 12, 14, 17, 18)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.polynomial import Polynomial

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.figures.inputs import SnippetScore, by_quantity
from mocapact_core.figures.style import INK, OURS, PAPER, figure, in_two_lines
from mocapact_core.files import write_csv
from mocapact_core.humanoid.model import CONTROL_STEP

DIFFERENT = 6
"""Snippets of at least so many different lengths get a fitted curve."""


def draw_by_length(scores: Sequence[SnippetScore], paper: Mapping[str, float], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        scores: of snippets.
        paper: the published means of REWARD and LENGTH over all snippets.
    """
    seconds = lengths_of(scores)
    values = by_quantity(scores)
    curves = {name: fit(seconds, along) for name, along in values.items()}
    with figure(output, height=2.5) as page:
        axes = page.subplots(1, 2)
        for axis, (name, along) in zip(axes, values.items(), strict=True):
            scatter(axis, seconds, along, "Snippet length (seconds)", name, label="a snippet")
            axis.axhline(paper[name], color=PAPER, linestyle="--", linewidth=1, label="mean, paper")
            if curve := curves[name]:
                axis.plot(*curve.linspace(), color=INK, label="quadratic fit")
            axis.set_xlim(0, 1.05 * seconds.max())
        axes[1].set_ylim(top=1.04)
        handles, labels = axes[0].get_legend_handles_labels()
        page.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    fitted = [curve(seconds).tolist() if curve else [None] * len(scores) for curve in curves.values()]
    write_csv(
        f"{output}.csv",
        ["snippet", "seconds", "normalized_reward", "normalized_length", "fitted_reward", "fitted_length"],
        [
            [score.snippet, duration, score.reward, score.length, *fits]
            for score, duration, *fits in zip(scores, seconds.tolist(), *fitted, strict=True)
        ],
    )


def lengths_of(scores: Sequence[SnippetScore]) -> np.ndarray:
    """How many seconds each snippet takes."""
    return np.array([parse_snippet(score.snippet).n_steps * CONTROL_STEP for score in scores])


def fit(seconds: np.ndarray, values: np.ndarray) -> Polynomial | None:
    """The parabola of least squares; None where the lengths are too few to tell one."""
    if len(np.unique(seconds)) < DIFFERENT:
        return None
    return Polynomial.fit(seconds, values, 2)


def scatter(
    axis: Axes, seconds: np.ndarray, values: np.ndarray, across: str, up: str, label: str = ""
) -> None:
    """A dot each; the more there are, the smaller and paler."""
    many = len(seconds) > 200
    axis.plot(
        *(seconds, values, "o"),
        color=OURS,
        markersize=2 if many else 3.5,
        alpha=0.3 if many else 0.5,
        markeredgewidth=0,
        clip_on=False,
        label=label,
    )
    axis.set_ylim(bottom=0)
    axis.set_xlabel(across)
    axis.set_ylabel(in_two_lines(up))
