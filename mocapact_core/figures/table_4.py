"""Table 4: how long GPT keeps the humanoid going after the prompt."""

from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.inputs import completions, summarise
from mocapact_core.figures.published import COMPLETION_RELATIVE, COMPLETION_SECONDS, SNIPPETS
from mocapact_core.figures.summary_table import Line, write_summaries


def draw(completion: str | Path, output: str | Path) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    Args:
        completion: results/distillation/<gpt>/<seed>/completion.npz.
    """
    episodes = completions(completion)
    ours = {
        COMPLETION_SECONDS: summarise([episode.seconds for episode in episodes]),
        COMPLETION_RELATIVE: summarise([episode.relative for episode in episodes]),
    }
    lines = []
    for quantity in (COMPLETION_SECONDS, COMPLETION_RELATIVE):
        lines.append(Line(quantity, "this run", len(episodes), ours[quantity]))
        lines.append(Line(quantity, "paper", SNIPPETS, published.COMPLETION[quantity]))
    caption = (
        "Motion completion by GPT: length after the prompt, and over the snippet's (Table 4 of the paper)."
    )
    write_summaries(output, caption, lines, counted="Completions", decimals=2)
