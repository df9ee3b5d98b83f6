"""Table 9: how well the noisy experts track their snippets."""

from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.inputs import expert_scores
from mocapact_core.figures.summary_table import write_expert_summaries

CAPTION = "Snippet experts on their snippets, Gaussian noise enabled (Table 9 of the paper)."


def draw(experts: str | Path, output: str | Path) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    Args:
        experts: the table of their evaluations, results/experts/evaluation.csv.
    """
    write_expert_summaries(output, CAPTION, expert_scores(experts, "rsi_noisy"), published.NOISY_EXPERTS)
