"""What a job leaves behind and while it runs: its log, its tables of progress, and what Snakemake measured of it."""

import contextlib
import csv
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUIET = 15 * 60
"""Seconds without a line after which a training is taken to have stopped: it tells at least one a minute, but for the
search for controls before it and its evaluations."""
_TAIL = 8192  # bytes of a log that are read: a traceback and more
_TRACEBACK = "Traceback (most recent call last):"
_INPUT_ERROR = "InputError: "
_STOPPED = "Stopped by "
_STEP = re.compile(r"^ *(?:step )?([\d,]+)(?: of [\d,]+)?(?: steps|:)")


@dataclass(frozen=True)
class Log:
    """The end of a log."""

    last: str
    """Its last line."""
    failed: bool
    """Whether the job ended with an error, which `last` tells."""
    stopped: bool
    """Whether a signal ended the job."""
    step: int
    """The latest step that it tells; 0 where it tells none."""
    changed: float
    """When it grew last, seconds since 1970."""

    @property
    def running(self) -> bool:
        """Whether its job seems to be going on."""
        return not self.failed and not self.stopped and is_recent(self.changed)


def is_recent(changed: float) -> bool:
    """Whether what changed then (seconds since 1970) is a sign of life."""
    return time.time() - changed < QUIET


def read_log(path: Path) -> Log | None:
    """None where there is no log."""
    try:
        with open(path, "rb") as file:
            about = os.fstat(file.fileno())
            file.seek(max(0, about.st_size - _TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    # A progress bar returns to the start of its line; what is shown is the last.
    lines = [line.split("\r")[-1].rstrip() for line in text.splitlines() if line.strip()] or [""]
    asked = [line for line in lines if line.startswith(_INPUT_ERROR)]
    failed = bool(asked) or _TRACEBACK in lines
    steps = (int(found[1].replace(",", "")) for line in reversed(lines) if (found := _STEP.match(line)))
    return Log(
        asked[-1].removeprefix(_INPUT_ERROR) if asked else lines[-1].strip(),
        failed,
        lines[-1].startswith(_STOPPED),
        next(steps, 0),
        about.st_mtime,
    )


def failures(logs: Path) -> Iterator[tuple[str, str, str]]:
    """(rule, its wildcards, the error) of each job whose last attempt failed, by name."""
    for path in sorted(logs.rglob("*.log")):
        log = read_log(path)
        if log and log.failed:
            rule, *wildcards = path.relative_to(logs).with_suffix("").parts
            yield rule, "/".join(wildcards), log.last


def seconds(benchmark: Path) -> float | None:
    """How long a job took, as Snakemake measured when it had ended well; None before."""
    rows = read_table(benchmark, delimiter="\t")
    return number(rows[-1], "s") if rows else None


def read_table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a table with a header; none where there is no file."""
    try:
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            return list(csv.DictReader(file, delimiter=delimiter))
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file; empty where there is none, or none that can be used."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            return content
    return {}


def number(values: Any, *names: str) -> float | None:
    """The number under these names, one inside the other; None where there is none."""
    for name in names:
        if not isinstance(values, dict) or name not in values:
            return None
        values = values[name]
    with contextlib.suppress(TypeError, ValueError):
        value = float(values)
        return value if value == value else None
    return None
