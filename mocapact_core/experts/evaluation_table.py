"""The table of evaluations of many experts, a row an expert and protocol."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mocapact_core.errors import InputError
from mocapact_core.files import read_json, write_csv
from mocapact_core.tasks import measures

COLUMNS = ("expert", "snippet", "protocol", "noise", *measures.COLUMNS)
"""`expert` is its folder, and of each measure there are mean and confidence interval."""


def rows(folder: Path, evaluation: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of the expert in `folder`, one a protocol."""
    return [
        (str(folder), evaluation["snippet"], protocol, measured["noise"], *measures.cells(measured))
        for protocol, measured in evaluation["protocols"].items()
    ]


def write_table(path: Path, evaluations: Iterable[Path]) -> None:
    """Write the table as CSV, without the folders of the experts.

    Args:
        evaluations: the evaluation.json of each expert.

    Raises:
        InputError: one of them is cut or no evaluation of an expert.
    """
    write_csv(path, COLUMNS[1:], [row[1:] for file in evaluations for row in _rows_in(file)])


def _rows_in(file: Path) -> list[tuple[Any, ...]]:
    try:
        return rows(file.parent, read_json(file))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{file} is no evaluation of an expert ({error}). Delete it and run again."
        ) from None
