"""Figure 15: training curves of multi-clip policies by weighting scheme."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mocapact_core.figures import published
from mocapact_core.figures.curves import draw_curve, finish, learning_curves
from mocapact_core.figures.published import LENGTH, REWARD
from mocapact_core.figures.style import BLUE, GREEN, ORANGE, VERMILION, figure
from mocapact_core.figures.tables import spread
from mocapact_core.files import write_csv

COLOURS = {"bc": BLUE, "cwr": ORANGE, "awr": GREEN, "rwr": VERMILION}


def draw(policies: Sequence[str | Path], weightings: Mapping[str, str], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    The line is the mean over seeds, the band one standard deviation each way where there are several. The
    legend gives what the paper's policies reach (Table 2).

    Args:
        policies: one training a policy and seed, results/distillation/<policy>/<seed>/validation.csv.
        weightings: bc, cwr, awr or rwr by name of policy.
    """
    rows: list[list] = []
    with figure(output, height=2.6) as page:
        for axis, quantity in zip(page.subplots(1, 2), (REWARD, LENGTH), strict=True):
            curves = learning_curves(policies, weightings, quantity)
            for weighting, paper in published.MULTI_CLIP.items():
                if weighting in curves:
                    label = f"{weighting.upper()} (paper: {spread(paper[quantity])})"
                    draw_curve(axis, curves[weighting], COLOURS[weighting], label)
                    rows += [[weighting, quantity, *row] for row in curves[weighting].rows()]
            finish(axis, "Gradient steps", quantity)
    write_csv(f"{output}.csv", ["weighting", "quantity", "seeds", "step", "mean", "std"], rows)
