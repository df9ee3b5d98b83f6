"""Figure 6: a multi-clip policy on training and on held-out snippets, also relative to the experts."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from mocapact_core.figures import published
from mocapact_core.figures.distributions import REWARD_BINS, Panel, draw_panels
from mocapact_core.figures.inputs import expert_scores, policy_scores
from mocapact_core.figures.published import REWARD
from mocapact_core.figures.style import figure
from mocapact_core.files import write_csv
from mocapact_core.intervals import mean_and_interval

SETS = ("training", "validation")
RELATIVE_BINS = np.linspace(0, 1.5, 31)


def draw(policy: str | Path, experts: str | Path, trained_on: Collection[str], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png, the data, `output`.csv, and their summary, `output`_summary.csv.

    The summary has, for training and validation snippets and for all, the mean reward relative to the expert and its
    95 % confidence interval (bootstrap over snippets), and the share of snippets on which the policy earns more than
    the expert.

    Args:
        policy: results/distillation/<policy>/<seed>/evaluation.npz of the RWR-trained policy.
        experts: the table of their evaluations, results/experts/evaluation.csv.
        trained_on: names of the snippets the policy was trained on; the others are the validation set.
    """
    expert_rewards = {score.snippet: score.reward for score in expert_scores(experts, "rsi")}
    rows = []
    for score in policy_scores(policy):
        expert = expert_rewards.get(score.snippet)
        split = "training" if score.snippet in trained_on else "validation"
        relative = score.reward / expert if expert else None
        rows.append((score.snippet, split, score.reward, score.length, expert, relative))

    rewards = {split: _of(rows, split, column=2) for split in SETS}
    relatives = {split: _of(rows, split, column=5) for split in SETS}
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
                    title=_title(np.concatenate(list(relatives.values()))),
                ),
            ],
        )
    columns = ["snippet", "set", "normalized_reward", "normalized_length", "expert_reward", "relative_reward"]
    write_csv(f"{output}.csv", columns, rows)
    _summarise(relatives, f"{output}_summary.csv")


def _summarise(relatives: Mapping[str, np.ndarray], path: str) -> None:
    """Write the summary of rewards relative to the experts, by set."""
    rows: list[list[object]] = []
    for name, values in {**relatives, "all": np.concatenate(list(relatives.values()))}.items():
        if len(values):
            mean = mean_and_interval(values, seed=0)
            better = float((values > 1).mean())
            rows.append([name, "this run", len(values), mean["mean"], mean["low"], mean["high"], better])
    rows += [
        [name, "paper", None, paper.mean, None, None, None]
        for name, paper in published.MULTI_CLIP_RELATIVE.items()
    ]
    rows.append(["all", "paper", published.SNIPPETS, None, None, None, published.MULTI_CLIP_BETTER])
    columns = ["set", "origin", "snippets", "relative_reward", "low", "high", "share_better_than_expert"]
    write_csv(path, columns, rows)


def _of(rows: Sequence[tuple], split: str, column: int) -> np.ndarray:
    return np.array([row[column] for row in rows if row[1] == split and row[column] is not None])


def _title(relatives: np.ndarray) -> str:
    if not len(relatives):
        return "Relative to the experts"
    return f"Relative: better than {np.mean(relatives > 1):.0%} of experts"
