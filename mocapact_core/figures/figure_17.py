"""Figure 17: how well a multi-clip policy tracks snippets of different length."""

from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.inputs import policy_scores
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.scatter import draw_by_length


def draw(policy: str | Path, output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        policy: results/distillation/<policy>/<seed>/evaluation.npz of the RWR-trained policy.
    """
    paper = {name: published.MULTI_CLIP["rwr"][name].mean for name in (REWARD, LENGTH)}
    draw_by_length(policy_scores(policy), paper, output)
