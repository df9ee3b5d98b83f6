"""Table 1: how well the experts track their snippets, without noise."""

from collections.abc import Sequence
from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.inputs import expert_scores
from mocapact_core.figures.summary_table import write_expert_summaries

CAPTION = "Snippet experts on their snippets, Gaussian noise disabled (Table 1 of the paper)."


def draw(experts: Sequence[str | Path], output: str | Path) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    Args:
        experts: one evaluation an expert, results/experts/<snippet>/evaluation/rsi.npz.
    """
    write_expert_summaries(output, CAPTION, expert_scores(experts), published.EXPERTS)
