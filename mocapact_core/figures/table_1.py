"""Table 1: how well the experts track their snippets, without noise."""

from collections.abc import Sequence
from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.inputs import expert_scores, summarise
from mocapact_core.figures.published import LENGTH, REWARD, SNIPPETS
from mocapact_core.figures.summary_table import Line, write_summaries


def draw(experts: Sequence[str | Path], output: str | Path) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    Args:
        experts: one evaluation an expert, results/experts/<snippet>/evaluation/rsi.npz.
    """
    scores = expert_scores(experts)
    ours = {
        REWARD: summarise([score.reward for score in scores]),
        LENGTH: summarise([score.length for score in scores]),
    }
    lines = []
    for quantity in (REWARD, LENGTH):
        lines.append(Line(quantity, "this run", len(scores), ours[quantity]))
        lines.append(Line(quantity, "paper", SNIPPETS, published.EXPERTS[quantity]))
    caption = "Snippet experts on their snippets, Gaussian noise disabled (Table 1 of the paper)."
    write_summaries(output, caption, lines, counted="Snippets", decimals=3)
