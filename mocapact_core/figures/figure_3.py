"""Figure 3: how the experts' rewards and lengths are distributed over the snippets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mocapact_core.figures import published
from mocapact_core.figures.distributions import Panel, draw_panels
from mocapact_core.figures.inputs import expert_scores
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.style import figure
from mocapact_core.figures.tables import write_csv

REWARD_BINS = np.linspace(0, 1.45, 30)  # 1.45 is the largest reward of a step
LENGTH_BINS = np.linspace(0, 1, 21)


def draw(experts: Sequence[str | Path], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        experts: one evaluation an expert, results/experts/<snippet>/evaluation/rsi.npz (noise disabled).
    """
    scores = expert_scores(experts)
    rewards = np.array([score.reward for score in scores])
    lengths = np.array([score.length for score in scores])
    with figure(output) as page:
        draw_panels(
            page,
            [
                Panel(REWARD, {"": rewards}, {"": published.EXPERTS[REWARD]}, REWARD_BINS),
                Panel(LENGTH, {"": lengths}, {"": published.EXPERTS[LENGTH]}, LENGTH_BINS),
            ],
        )
    columns = ["snippet", "normalised_reward", "normalised_length", "episodes"]
    rows = [[score.snippet, score.reward, score.length, score.episodes] for score in scores]
    write_csv(f"{output}.csv", columns, rows)
