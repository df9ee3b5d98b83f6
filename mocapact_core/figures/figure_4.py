"""Figure 4: experts beside the clips that they track, a row of poses each."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mocapact_core.errors import InputError
from mocapact_core.figures.inputs import expert_score
from mocapact_core.figures.style import TEXT_WIDTH, figure
from mocapact_core.files import write_csv

TITLE = 0.24
"""Inches above each row."""


def draw(strips: Sequence[str | Path], experts: Sequence[str | Path], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        strips: a row of poses for each snippet, results/videos/<snippet>.png.
        experts: evaluations of the same experts from the start, results/experts/<snippet>/evaluation/start.npz.
    """
    if not strips:
        raise InputError("Figure 4 needs experts to show: name some in figures.figure_4.")
    scores = [expert_score(path) for path in experts]
    rows = [Image.open(strip).convert("RGB") for strip in strips]
    heights = [TITLE + TEXT_WIDTH * row.height / row.width for row in rows]
    with figure(output, height=sum(heights)) as page:
        axes = page.subplots(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, row, score in zip(axes, rows, scores, strict=True):
            axis.imshow(row, interpolation="lanczos")
            axis.set_title(f"{score.snippet}, reward {score.reward:.2f}", loc="left")
            axis.set_axis_off()
    columns = ["snippet", "normalized_reward", "normalized_length"]
    write_csv(f"{output}.csv", columns, [[score.snippet, score.reward, score.length] for score in scores])
