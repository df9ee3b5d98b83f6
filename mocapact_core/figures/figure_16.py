"""Figure 16: multi-clip policies with priors of different autoregressive parameter alpha."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.figures import published
from mocapact_core.figures.curves import draw_curve, finish, learning_curves
from mocapact_core.figures.inputs import by_quantity, policy_scores
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.style import PALETTE, figure
from mocapact_core.files import write_csv


def draw(
    policies: Sequence[str | Path],
    evaluations: Sequence[str | Path],
    alphas: Mapping[str, float],
    output: str | Path,
) -> None:
    """Write `output`.pdf, `output`.png, the data, `output`.csv, and their summary, `output`_summary.csv.

    Curves are as in Fig. 15. The summary has the evaluation of the finished policies, mean over snippets and seeds, and
    how much more reward that is than with the smallest alpha, as a share.

    Args:
        policies: one training a policy and seed, results/distillation/<policy>/<seed>/validation.csv.
        evaluations: of the same trainings, evaluation.npz there.
        alphas: of the policies, by name.
    """
    finished = finished_means(evaluations, alphas)
    if len(finished) < 2:
        raise InputError(
            "Figure 16 compares policies of different alpha: name two such in figures.figure_16."
        )
    smallest = min(finished)
    gains = {alpha: means[REWARD] / finished[smallest][REWARD] - 1 for alpha, means in finished.items()}
    rows: list[list] = []
    with figure(output, height=2.6) as page:
        for axis, quantity in zip(page.subplots(1, 2), (REWARD, LENGTH), strict=True):
            curves = sorted(learning_curves(policies, alphas, quantity).items())
            for index, (alpha, curve) in enumerate(curves):
                label = f"$\\alpha$ = {alpha:g}, finished: {finished[alpha][quantity]:.3f}"
                if quantity == REWARD and alpha != smallest:
                    label += _compared(alpha, gains[alpha], smallest)
                draw_curve(axis, curve, PALETTE[index % len(PALETTE)], label)
                rows += [[alpha, quantity, *row] for row in curve.rows()]
            finish(axis, "Gradient steps", quantity)
    write_csv(f"{output}.csv", ["alpha", "quantity", "seeds", "step", "mean", "std"], rows)
    summary = [
        [alpha, "this run", means["seeds"], means[REWARD], means[LENGTH], gains[alpha]]
        for alpha, means in finished.items()
    ]
    summary += [
        [alpha, "paper", None, None, None, gain] for alpha, gain in published.AUTOREGRESSIVE_GAIN.items()
    ]
    columns = ["alpha", "origin", "seeds", "normalized_reward", "normalized_length", "reward_gain"]
    write_csv(f"{output}_summary.csv", columns, summary)


def finished_means(
    evaluations: Sequence[str | Path], alphas: Mapping[str, float]
) -> dict[float, dict[str, float]]:
    """REWARD and LENGTH by alpha, means over snippets and trainings, and how many `seeds` these are."""
    scores: dict[float, list] = {}
    for path in map(Path, evaluations):
        scores.setdefault(alphas[path.parent.parent.name], []).append(by_quantity(policy_scores(path)))
    return {
        alpha: {
            **{name: float(np.mean([seed[name].mean() for seed in seeds])) for name in (REWARD, LENGTH)},
            "seeds": len(seeds),
        }
        for alpha, seeds in sorted(scores.items())
    }


def _compared(alpha: float, gain: float, smallest: float) -> str:
    paper = published.AUTOREGRESSIVE_GAIN.get(alpha) if smallest == 0 else None
    return f"\n{_more(gain)} reward" + (f" (paper: {_more(paper)})" if paper is not None else "")


def _more(share: float) -> str:
    return f"{abs(share):.0%} {'more' if share >= 0 else 'less'}"
