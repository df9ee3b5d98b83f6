"""Table 2: multi-clip policies by weighting scheme."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.figures import published
from mocapact_core.figures.inputs import policy_scores
from mocapact_core.figures.published import LENGTH, MULTI_CLIP_SEEDS, REWARD, SNIPPETS, Spread
from mocapact_core.figures.tables import spread, write_csv, write_printed


def draw(policies: Sequence[str | Path], weightings: Mapping[str, str], output: str | Path) -> None:
    """Write `output`.csv, `output`.md and `output`.html.

    Args:
        policies: one evaluation a policy, results/distillation/<policy>/evaluation.npz.
        weightings: bc, cwr, awr or rwr by name of policy. Policies of the same weighting count as its seeds.
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
                mean, std = _over_seeds(values).mean, _over_seeds(values).std
                rows.append([quantity, weighting, "this run", snippets, len(values), mean, std])
            reference = paper[quantity]
            rows.append(
                [quantity, weighting, "paper", SNIPPETS, MULTI_CLIP_SEEDS, reference.mean, reference.std]
            )
        run = [_over_seeds(ours[name][quantity]) if name in ours else None for name in published.MULTI_CLIP]
        printed.append([quantity, "this run", str(snippets), *map(spread, run)])
        paper_row = [paper[quantity] for paper in published.MULTI_CLIP.values()]
        printed.append([quantity, "paper", str(SNIPPETS), *map(spread, paper_row)])
    columns = ["quantity", "weighting", "origin", "snippets", "policies", "mean", "std"]
    write_csv(f"{output}.csv", columns, rows)
    caption = (
        "Multi-clip policies: decoder noise disabled, motor intentions sampled; mean, and standard deviation "
        "over seeds where there are several (Table 2 of the paper)."
    )
    write_printed(output, caption, ["", "", "Snippets", *map(str.upper, published.MULTI_CLIP)], printed)


def _by_weighting(
    policies: Sequence[str | Path], weightings: Mapping[str, str]
) -> tuple[int, dict[str, dict[str, list[float]]]]:
    """The number of snippets, and the mean scores of each policy by weighting and quantity."""
    snippets = 0
    means: dict[str, dict[str, list[float]]] = {}
    for path in map(Path, policies):
        scores = policy_scores(path)
        snippets = max(snippets, len(scores))
        of_weighting = means.setdefault(weightings[path.parent.name], {REWARD: [], LENGTH: []})
        of_weighting[REWARD].append(float(np.mean([score.reward for score in scores])))
        of_weighting[LENGTH].append(float(np.mean([score.length for score in scores])))
    return snippets, means


def _over_seeds(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values)) if len(values) > 1 else None)
