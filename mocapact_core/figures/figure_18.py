"""Figure 18: how a multi-clip policy does on whole clips of different length."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.figures.inputs import by_quantity, policy_scores
from mocapact_core.figures.scatter import lengths_of, scatter
from mocapact_core.figures.style import figure
from mocapact_core.files import write_csv

TICKS = (0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500)
"""Seconds. Most clips take a few, the longest of the CMU data 191: their axis is logarithmic."""


def draw(policy: str | Path, output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    As in the paper, the picture shows episodes from random steps; the data have those from the start as well.

    Args:
        policy: results/distillation/<policy>/<seed>/evaluation_clips.npz.
    """
    scores = policy_scores(policy)
    from_start = {score.snippet: score for score in policy_scores(policy, from_start=True)}
    clips = [parse_snippet(score.snippet) for score in scores]
    seconds = lengths_of(scores)
    with figure(output, height=2.4) as page:
        axes = page.subplots(1, 2)
        for axis, (label, values) in zip(axes, by_quantity(scores).items(), strict=True):
            scatter(axis, seconds, values, "Clip length (seconds)", label)
            _in_decades(axis, seconds)
        axes[1].set_ylim(top=1.04)
    columns = ["clip", "seconds", "normalized_reward", "normalized_length"]
    rows = [
        [
            *(clip.clip, duration, score.reward, score.length),
            *(from_start[clip.name].reward, from_start[clip.name].length),
        ]
        for clip, duration, score in zip(clips, seconds.tolist(), scores, strict=True)
    ]
    write_csv(
        f"{output}.csv", [*columns, "normalized_reward_from_start", "normalized_length_from_start"], rows
    )


def _in_decades(axis: Axes, seconds: np.ndarray) -> None:
    axis.set_xscale("log")
    axis.set_xlim(
        seconds.min() / 1.45, seconds.max() * 1.45
    )  # wide enough for a tick where there is one clip
    axis.xaxis.set_major_locator(FixedLocator(TICKS))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
