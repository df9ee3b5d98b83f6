"""Figure 13: how the noisy experts' rewards and lengths are distributed, and what noise costs them."""

from pathlib import Path

import numpy as np

from mocapact_core.figures import published
from mocapact_core.figures.distributions import LENGTH_BINS, REWARD_BINS, Panel, draw_panels
from mocapact_core.figures.inputs import by_quantity, expert_scores
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.style import figure, in_two_lines
from mocapact_core.files import write_csv

RELATIVE_BINS = np.linspace(0, 1.2, 25)


def draw(experts: str | Path, output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        experts: the table of their evaluations, results/experts/evaluation.csv.
    """
    noisy, exact = (expert_scores(experts, protocol) for protocol in ("rsi_noisy", "rsi"))
    relative = [with_noise.reward / without.reward for with_noise, without in zip(noisy, exact, strict=True)]
    values = by_quantity(noisy)
    with figure(output, height=2.6) as page:
        draw_panels(
            page,
            [
                *(
                    Panel(in_two_lines(name), {"": values[name]}, {"": published.NOISY_EXPERTS[name]}, bins)
                    for name, bins in ((REWARD, REWARD_BINS), (LENGTH, LENGTH_BINS))
                ),
                Panel(
                    "Reward over that\nwithout noise",
                    {"": np.array(relative)},
                    {"": published.NOISY_RELATIVE},
                    RELATIVE_BINS,
                ),
            ],
        )
    columns = ["snippet", "normalized_reward", "normalized_length", "reward_without_noise", "relative_reward"]
    rows = [
        [score.snippet, score.reward, score.length, without.reward, ratio]
        for score, without, ratio in zip(noisy, exact, relative, strict=True)
    ]
    write_csv(f"{output}.csv", columns, rows)
