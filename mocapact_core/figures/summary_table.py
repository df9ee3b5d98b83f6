"""Tables of distributions (Tables 1, 4 and 9): a line each for this run and for the paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mocapact_core.figures.inputs import SnippetScore, by_quantity, summarise
from mocapact_core.figures.published import SNIPPETS, Summary
from mocapact_core.figures.tables import number, write_printed
from mocapact_core.files import write_csv


@dataclass(frozen=True)
class Line:
    quantity: str
    origin: str
    """`this run` or `paper`."""
    count: int
    summary: Summary


def write_expert_summaries(
    output: str | Path, caption: str, scores: Sequence[SnippetScore], paper: Mapping[str, Summary]
) -> None:
    """Rewards and lengths of experts, and the published ones, as `write_summaries` writes them."""
    lines = [
        line
        for quantity, values in by_quantity(scores).items()
        for line in (
            Line(quantity, "this run", len(scores), summarise(values)),
            Line(quantity, "paper", SNIPPETS, paper[quantity]),
        )
    ]
    write_summaries(output, caption, lines, counted="Snippets", decimals=3)


def write_summaries(
    output: str | Path, caption: str, lines: Sequence[Line], counted: str, decimals: int
) -> None:
    """Write `output`.csv, `output`.md and `output`.html. counted: what the number of values counts."""
    statistics = [_statistics(line.summary) for line in lines]
    write_csv(
        f"{output}.csv",
        ["quantity", "origin", counted.lower(), "mean", "std", "median", "minimum", "maximum"],
        [[line.quantity, line.origin, line.count, *row] for line, row in zip(lines, statistics, strict=True)],
    )
    write_printed(
        output,
        caption,
        ["", "", counted, "Mean", "Standard deviation", "Median", "Minimum", "Maximum"],
        [
            [line.quantity, line.origin, str(line.count), *(number(value, decimals) for value in row)]
            for line, row in zip(lines, statistics, strict=True)
        ],
    )


def _statistics(summary: Summary) -> list[float | None]:
    return [summary.mean, summary.std, summary.median, summary.minimum, summary.maximum]
