"""How every figure looks, and how it is saved: the same data gives the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mocapact_core.files import atomic

ONE_COLUMN, TEXT_WIDTH = 3.25, 5.5
"""Inches: a column of a two-column page, and the text width of the paper."""
DOTS_PER_INCH = 300

# Okabe and Ito's colours, told apart with any colour vision.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GREY, PALE = "#222222", "#767676", "#CFCFCF"
OURS, PAPER = BLUE, GREY
SPLITS = {"training": BLUE, "validation": ORANGE}
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY)

SETTINGS: dict[Any, Any] = {
    # STIX comes with matplotlib, so that pictures do not depend on the fonts of the machine.
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # TrueType outlines: text stays text for editors and search
    "figure.constrained_layout.use": True,
    "agg.path.chunksize": 0,
}


@contextmanager
def figure(output: str | Path, width: float = TEXT_WIDTH, height: float = 2.2) -> Iterator[Figure]:
    """A figure of `width` x `height` inches, saved as `output`.pdf and `output`.png when the block ends.

    pyplot and its global state are not used; whatever the user has configured does not matter.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        page = Figure(figsize=(width, height))
        FigureCanvasAgg(page)
        yield page
        with atomic(f"{output}.pdf") as path:
            page.savefig(
                path, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None}
            )
        with atomic(f"{output}.png") as path:
            page.savefig(path, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})


def message(page: Figure, text: str) -> None:
    """A figure that says why it has nothing to show."""
    page.text(0.5, 0.5, text, ha="center", va="center", wrap=True, color=GREY)


def in_two_lines(label: str) -> str:
    """The name of a measure, where a panel is small."""
    return label.replace("normalized ", "normalized\n")
