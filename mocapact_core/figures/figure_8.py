"""Figure 8: how long GPT keeps the humanoid going, in seconds and relative to the snippet."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from mocapact_core.figures import published
from mocapact_core.figures.distributions import Panel, draw_panels
from mocapact_core.figures.inputs import completions
from mocapact_core.figures.published import COMPLETION_RELATIVE, COMPLETION_SECONDS
from mocapact_core.figures.style import figure
from mocapact_core.files import write_csv

SECONDS_BINS = np.linspace(0, 15, 31)
RELATIVE_BINS = np.linspace(0, 8, 33)


def draw(completion: str | Path, trained_on: Collection[str], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        completion: results/distillation/<gpt>/<seed>/completion.npz.
        trained_on: names of the snippets GPT was trained on; prompts from the others are the validation set.
    """
    rows = [
        (
            episode.snippet,
            "training" if episode.snippet in trained_on else "validation",
            episode.seconds,
            episode.relative,
        )
        for episode in completions(completion)
    ]
    groups = [
        {
            split: np.array([row[column] for row in rows if row[1] == split])
            for split in ("training", "validation")
        }
        for column in (2, 3)
    ]
    seconds, relative = published.COMPLETION[COMPLETION_SECONDS], published.COMPLETION[COMPLETION_RELATIVE]
    with figure(output, height=2.5) as page:
        draw_panels(
            page,
            [
                Panel(COMPLETION_SECONDS, groups[0], {"": seconds}, SECONDS_BINS, "Completions", "Absolute"),
                Panel(
                    COMPLETION_RELATIVE, groups[1], {"": relative}, RELATIVE_BINS, "Completions", "Relative"
                ),
            ],
        )
    write_csv(f"{output}.csv", ["snippet", "set", "seconds", "relative"], rows)
