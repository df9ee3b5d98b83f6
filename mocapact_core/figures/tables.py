"""Tables as files: the data as CSV, and the printed form as Markdown and as a page for the report."""

import html
from collections.abc import Sequence
from pathlib import Path

from mocapact_core.figures.published import Spread
from mocapact_core.files import write_text

MISSING = "\N{EN DASH}"

_STYLE = (
    "body{font-family:serif;margin:2em}table{border-collapse:collapse}caption{text-align:left;padding:.5em 0}"
    "td,th{padding:.25em .9em;text-align:right}td:first-child,th:first-child{text-align:left}"
    "thead{border-top:2px solid;border-bottom:1px solid}tbody{border-bottom:2px solid}"
)


def write_printed(
    output: str | Path, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """The table as one would print it, to `output`.md and `output`.html."""
    aligned = [":--", *["--:"] * (len(columns) - 1)]
    lines = [" | ".join(cells) for cells in (columns, aligned, *rows)]
    write_text(f"{output}.md", "\n".join([caption, "", *(f"| {line} |" for line in lines)]) + "\n")

    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><style>{_STYLE}</style></head><body>\n'
        f"<table><caption>{html.escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}</tbody></table>\n</body></html>\n"
    )
    write_text(f"{output}.html", page)


def number(value: float | None, decimals: int = 3) -> str:
    return MISSING if value is None else f"{value:.{decimals}f}"


def spread(value: Spread | None, decimals: int = 3) -> str:
    """Mean ± standard deviation over seeds; the mean alone where there is one seed."""
    if value is None:
        return MISSING
    mean = number(value.mean, decimals)
    return mean if value.std is None else f"{mean} ± {number(value.std, decimals)}"
