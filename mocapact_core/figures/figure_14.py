"""Figure 14: how well noisy experts track snippets of different length."""

from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.inputs import expert_scores
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.scatter import draw_by_length


def draw(experts: str | Path, output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        experts: the table of their evaluations, results/experts/evaluation.csv.
    """
    paper = {name: published.NOISY_EXPERTS[name].mean for name in (REWARD, LENGTH)}
    draw_by_length(expert_scores(experts, "rsi_noisy"), paper, output)
