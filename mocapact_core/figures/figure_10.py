"""Figure 10: how long clips and snippets are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mocapact_core.clips.cmu_table import cmu_lengths
from mocapact_core.clips.snippets import read_table, split_clips
from mocapact_core.figures.distributions import Panel, draw_panels
from mocapact_core.figures.inputs import summarise
from mocapact_core.figures.style import figure
from mocapact_core.files import write_csv
from mocapact_core.humanoid.model import CONTROL_STEP

BINS = 40


def draw(table: str | Path, clips: Mapping[str, int], output: str | Path) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    The paper's lengths are those of dm_control's CMU clips, and of these cut as the paper says.

    Args:
        table: results/clips/snippets.tsv.
        clips: control steps of each clip.
    """
    snippets = {snippet.name: snippet.n_steps for snippet in read_table(table)}
    in_paper = [snippet.n_steps for snippet in split_clips(cmu_lengths())]
    panels = [
        _panel("Clips", list(clips.values()), list(cmu_lengths().values())),
        _panel("Snippets", list(snippets.values()), in_paper),
    ]
    with figure(output, height=2.5) as page:
        draw_panels(page, panels)
    rows = [
        [kind, name, steps, steps * CONTROL_STEP]
        for kind, lengths in (("clip", clips), ("snippet", snippets))
        for name, steps in lengths.items()
    ]
    write_csv(f"{output}.csv", ["kind", "name", "steps", "seconds"], rows)


def _panel(count: str, ours: Sequence[int], paper: Sequence[int]) -> Panel:
    seconds, published = (np.array(steps) * CONTROL_STEP for steps in (ours, paper))
    bins = np.linspace(0, np.ceil(max(seconds.max(), published.max())), BINS + 1)
    return Panel("Length (seconds)", {"": seconds}, {"": summarise(published)}, bins, count, count)
