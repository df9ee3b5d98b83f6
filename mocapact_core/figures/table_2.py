"""Table 2: multi-clip policies by weighting scheme."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.figures import published
from mocapact_core.figures.inputs import by_quantity, policy_scores
from mocapact_core.figures.published import LENGTH, MULTI_CLIP_SEEDS, REWARD, SNIPPETS, Spread
from mocapact_core.figures.tables import spread, write_printed
from mocapact_core.files import write_csv
from mocapact_core.intervals import interval_of_few


def draw(
    policies: Sequence[str | Path],
    weightings: Mapping[str, str],
    output: str | Path,
    noise: Collection[str] = ("intention",),
) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    The CSV file also has the 95 % confidence interval of the mean over seeds (`low`, `high`), by Student's t.

    Args:
        policies: one evaluation a training, results/distillation/<policy>/<seed>/evaluation.npz.
        weightings: bc, cwr, awr or rwr by name of policy.
        noise: what was left to chance in the evaluation (distillation.evaluation_noise).
    """
    if not policies:
        raise InputError(
            "Table 2 needs a multi-clip policy: add one to distillation.policies in the configuration."
        )
    snippets, ours = _by_weighting(policies, weightings)
    rows, printed = [], []
    for quantity in (REWARD, LENGTH):
        for weighting, paper in published.MULTI_CLIP.items():
            if weighting in ours:
                values = ours[weighting][quantity]
                row = [*astuple(_over_seeds(values)), *(interval_of_few(np.array(values)) or (None, None))]
                rows.append([quantity, weighting, "this run", snippets, len(values), *row])
            row = [*astuple(paper[quantity]), None, None]
            rows.append([quantity, weighting, "paper", SNIPPETS, MULTI_CLIP_SEEDS, *row])
        run = [_over_seeds(ours[name][quantity]) if name in ours else None for name in published.MULTI_CLIP]
        printed.append([quantity, "this run", str(snippets), *map(spread, run)])
        paper_row = [paper[quantity] for paper in published.MULTI_CLIP.values()]
        printed.append([quantity, "paper", str(SNIPPETS), *map(spread, paper_row)])
    columns = ["quantity", "weighting", "origin", "snippets", "seeds", "mean", "std", "low", "high"]
    write_csv(f"{output}.csv", columns, rows)
    caption = (
        f"Multi-clip policies: decoder noise {'enabled' if 'action' in noise else 'disabled'}, motor intentions "
        f"{'sampled' if 'intention' in noise else 'at their means'}; mean, and standard deviation over seeds where "
        "there are several (Table 2 of the paper: disabled, sampled)."
    )
    write_printed(output, caption, ["", "", "Snippets", *map(str.upper, published.MULTI_CLIP)], printed)


def _by_weighting(
    policies: Sequence[str | Path], weightings: Mapping[str, str]
) -> tuple[int, dict[str, dict[str, list[float]]]]:
    """The number of snippets, and the mean scores of each training by weighting and quantity."""
    snippets = 0
    means: dict[str, dict[str, list[float]]] = {}
    for path in map(Path, policies):
        scores = policy_scores(path)
        snippets = max(snippets, len(scores))
        of_weighting = means.setdefault(weightings[path.parent.parent.name], {REWARD: [], LENGTH: []})
        for quantity, values in by_quantity(scores).items():
            of_weighting[quantity].append(float(values.mean()))
    return snippets, means


def _over_seeds(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values)) if len(values) > 1 else None)
