"""Table 1: how well the experts track their snippets, without noise."""

from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.inputs import expert_scores
from mocapact_core.figures.summary_table import write_expert_summaries

CAPTION = "Snippet experts on their snippets, Gaussian noise disabled (Table 1 of the paper)."


def draw(experts: str | Path, output: str | Path) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    Args:
        experts: the table of their evaluations, results/experts/evaluation.csv.
    """
    write_expert_summaries(output, CAPTION, expert_scores(experts, "rsi"), published.EXPERTS)
