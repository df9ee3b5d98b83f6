"""Figure 6: a multi-clip policy on training and on held-out snippets, also relative to the experts."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from mocapact_core.figures import published
from mocapact_core.figures.distributions import Panel, draw_panels
from mocapact_core.figures.figure_3 import REWARD_BINS
from mocapact_core.figures.inputs import expert_scores, policy_scores
from mocapact_core.figures.published import REWARD
from mocapact_core.figures.style import figure
from mocapact_core.figures.tables import write_csv

RELATIVE_BINS = np.linspace(0, 1.5, 31)


def draw(
    policy: str | Path, experts: Sequence[str | Path], trained_on: Collection[str], output: str | Path
) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        policy: results/distillation/<policy>/evaluation.npz of the RWR-trained policy.
        experts: one evaluation an expert, results/experts/<snippet>/evaluation/rsi.npz.
        trained_on: names of the snippets the policy was trained on; the others are the validation set.
    """
    expert_rewards = {score.snippet: score.reward for score in expert_scores(experts)}
    rows = []
    for score in policy_scores(policy):
        expert = expert_rewards.get(score.snippet)
        split = "training" if score.snippet in trained_on else "validation"
        relative = score.reward / expert if expert else None
        rows.append((score.snippet, split, score.reward, score.length, expert, relative))

    rewards = {split: _of(rows, split, column=2) for split in ("training", "validation")}
    relatives = {split: _of(rows, split, column=5) for split in ("training", "validation")}
    with figure(output, height=2.7) as page:
        draw_panels(
            page,
            [
                Panel(REWARD, rewards, published.MULTI_CLIP_REWARD, REWARD_BINS, title="Reward"),
                Panel(
                    "Reward relative to the expert",
                    relatives,
                    published.MULTI_CLIP_RELATIVE,
                    RELATIVE_BINS,
                    title="Relative to the experts",
                ),
            ],
        )
    columns = ["snippet", "set", "normalised_reward", "normalised_length", "expert_reward", "relative_reward"]
    write_csv(f"{output}.csv", columns, rows)


def _of(rows: Sequence[tuple], split: str, column: int) -> np.ndarray:
    return np.array([row[column] for row in rows if row[1] == split and row[column] is not None])
