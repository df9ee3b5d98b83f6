"""Figure 3: how the experts' rewards and lengths are distributed over the snippets."""

from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.distributions import LENGTH_BINS, REWARD_BINS, Panel, draw_panels
from mocapact_core.figures.inputs import by_quantity, expert_scores
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.style import figure
from mocapact_core.files import write_csv


def draw(experts: str | Path, output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        experts: the table of their evaluations, results/experts/evaluation.csv.
    """
    scores = expert_scores(experts, "rsi")
    values = by_quantity(scores)
    with figure(output) as page:
        draw_panels(
            page,
            [
                Panel(REWARD, {"": values[REWARD]}, {"": published.EXPERTS[REWARD]}, REWARD_BINS),
                Panel(LENGTH, {"": values[LENGTH]}, {"": published.EXPERTS[LENGTH]}, LENGTH_BINS),
            ],
        )
    columns = ["snippet", "normalized_reward", "normalized_length", "episodes"]
    rows = [[score.snippet, score.reward, score.length, score.episodes] for score in scores]
    write_csv(f"{output}.csv", columns, rows)
