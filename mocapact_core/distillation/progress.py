"""Progress of a long training: a bar on a terminal, a few plain lines in a log."""

import sys
from collections.abc import Iterator

from tqdm import tqdm

LINES = 20
"""Lines in a log."""


def report(steps: range, total: int, rows: list[dict[str, float]]) -> Iterator[int]:
    """Yield `steps` and show how far they are on the way to `total`, with the latest of `rows`."""
    if sys.stderr.isatty():
        bar = tqdm(steps, total=total, initial=total - len(steps), unit="step")
        for step in bar:
            yield step
            if rows:
                bar.set_postfix_str(_latest(rows), refresh=False)
        return
    every = max(1, total // LINES)
    for step in steps:
        yield step
        if rows and (step % every == 0 or step == total):
            print(f"step {step} of {total}: {_latest(rows)}", file=sys.stderr, flush=True)


def _latest(rows: list[dict[str, float]]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in rows[-1].items() if name != "step")
