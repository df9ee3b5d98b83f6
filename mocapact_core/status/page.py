"""The status page: one HTML file that needs nothing else, to be opened in any browser."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from html import escape
from pathlib import Path

from mocapact_core.clips.sources import plan
from mocapact_core.config import Config
from mocapact_core.files import write_text
from mocapact_core.status.sections import STATES, Row, Section, sections

_HERE = Path(__file__).parent
_SHOWN = ("evaluated", "trained", "training", "stopped", "failed", "waiting")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_status(settings: Config, output: Path, every: int | None = None) -> str:
    """Write the page about all that the settings ask for.

    Args:
        every: seconds after which the page, where it is open, loads itself again; None: never.

    Returns:
        One line that tells how many snippets are in which state.

    Raises:
        InputError: the settings ask for motion that is not there.
    """
    made = sections(settings, plan(settings.clips, settings.tracking).snippets)
    write_text(output, page(made, settings.results, every))
    return ", ".join(f"{count:,} {state}" for state, count in _counts(made[0].rows))


def page(made: Sequence[Section], results: str, every: int | None) -> str:
    """The page about these sections, the first of which is summed up on top."""
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    follows = f' data-every="{every}"' if every else ""
    rows = made[0].rows
    return (
        f'<!DOCTYPE html>\n<html lang="en"{follows}><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(_headline(rows))}</title>\n<style>\n{_part('page.css')}</style></head>\n<body>\n"
        f"<header><h1>{escape(results)}</h1>\n<p>{escape(_headline(rows))}, as of <time>{escape(now)}</time></p>\n"
        f"{_summary(rows)}</header>\n<main>\n"
        '<label>Filter <input type="search" placeholder="name, state or words of a message"></label>\n'
        + "".join(_table(section, f"table-{index}") for index, section in enumerate(made))
        + f"</main>\n<script>\n{_part('page.js')}</script>\n</body></html>\n"
    )


def _part(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _headline(rows: Sequence[Row]) -> str:
    done = sum(row.trained for row in rows)
    return f"{done:,} of {len(rows):,} experts trained"


def _counts(rows: Sequence[Row]) -> list[tuple[str, int]]:
    counted = Counter(row.state for row in rows)
    return [(state, counted[state]) for state in _SHOWN if counted[state]]


def _summary(rows: Sequence[Row]) -> str:
    counts = _counts(rows)
    told = ", ".join(f"{count:,} {state}" for state, count in counts)
    bar = "".join(f'<span class="{state}" style="flex:{count}"></span>' for state, count in counts)
    items = "".join(
        f'<li><button class="mark {state}" data-state="{state}">{count:,} {state}</button></li>'
        for state, count in counts
    )
    return f'<div class="bar" role="img" aria-label="{told}">{bar}</div>\n<ul class="counts">{items}</ul>\n'


def _table(section: Section, name: str) -> str:
    titles = [
        (section.named, ""),
        ("state", ""),
        *((column, meaning) for column, meaning, _ in section.columns),
        ("last words", "of the log"),
    ]
    head = "".join(
        f'<th scope="col" aria-sort="none"><button title="{escape(meaning)}">{escape(title)}</button></th>'
        for title, meaning in titles
    )
    styles = [style for _, _, style in section.columns]
    body = "".join(_row(row, styles) for row in section.rows)
    count = len(section.rows)
    return (
        f'<h2 id="{name}-title">{escape(section.title)}</h2>\n<p><span id="{name}-shown">{count}</span> of {count}</p>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{name}-title">'
        f'<table id="{name}" aria-labelledby="{name}-title"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def _row(row: Row, styles: Sequence[str]) -> str:
    share = "" if row.share is None else f" {min(row.share, 1):.0%}"
    state = f'<td data-sort="{STATES.index(row.state) + (row.share or 0) / 2:.3f}"><span class="mark {row.state}">'
    cells = "".join(map(_cell, row.values, styles))
    return (
        f'<tr><th scope="row">{escape(row.name)}</th>{state}{row.state}{share}</span></td>{cells}'
        f"<td>{escape(row.note)}</td></tr>\n"
    )


def _cell(value: float | bool | None, style: str) -> str:
    if value is None:
        return "<td></td>"
    if style == "time":
        return f'<td data-sort="{value:.0f}">{timedelta(seconds=round(value))}</td>'
    if style == "there":
        return "<td>yes</td>" if value else "<td></td>"
    return f"<td>{value:,.0f}</td>" if style == "count" else f"<td>{value:.3f}</td>"
