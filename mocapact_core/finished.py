"""What a training has made is kept beside its outputs until it is evaluated.

Snakemake deletes the outputs of a job that fails, or is killed, before they are recorded: even after the script has
ended, with its node, say. The checkpoint is gone by then. What is kept is given back to the next attempt.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from mocapact_core.files import copy, write_text

FINISHED = ".finished"
_IDENTITY = "identity"


def keep(snakemake: Any) -> None:
    """Keep the outputs of the job under second names, which need no space of their own."""
    folder = _folder(snakemake)
    shutil.rmtree(folder / FINISHED, ignore_errors=True)
    for output in map(Path, snakemake.output):
        kept = folder / FINISHED / output.relative_to(folder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(output, kept)
        except OSError:  # a file system without hard links
            copy(output, kept)
    write_text(folder / FINISHED / _IDENTITY, _identity(snakemake))  # last: without it, not all may be there


def give_back(snakemake: Any) -> bool:
    """Whether the outputs were kept, with the same params and input. Then they are there again."""
    folder = _folder(snakemake)
    try:
        if (folder / FINISHED / _IDENTITY).read_text() != _identity(snakemake):
            return False
    except FileNotFoundError:
        return False
    for output in map(Path, snakemake.output):
        copy(folder / FINISHED / output.relative_to(folder), output)
    print("This had ended before; its results are taken as they were kept.")
    return True


def forget(snakemake: Any) -> None:
    """The training beside the outputs of this job is recorded: what was kept of it is not needed any more."""
    shutil.rmtree(_folder(snakemake) / FINISHED, ignore_errors=True)


def _folder(snakemake: Any) -> Path:
    return Path(os.path.commonpath([os.path.dirname(output) for output in snakemake.output]))


def _identity(snakemake: Any) -> str:
    """What would change the results: the params that Snakemake reruns for, and the files read, by time and size."""
    params = {name: value for name, value in snakemake.params.items() if name != "unrecorded"}
    files = [(path, os.path.getmtime(path), os.path.getsize(path)) for path in snakemake.input]
    return repr((sorted(params.items()), files))
