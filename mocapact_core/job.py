"""What a workflow script needs around its one call into the library."""

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, TextIO

from mocapact_core.config import Config, overlay, parse_config
from mocapact_core.errors import InputError
from mocapact_core.files import Unfailing, explained, remove_leftovers
from mocapact_core.interruption import EXIT_CODE, PARENT, Interrupted, end_with, interruptible
from mocapact_core.settings import Settings


def setting_values(config: Config, *names: str) -> str:
    """The settings of these names, such as `seed` or `distillation.policies.rwr`, as one line of JSON.

    This goes into a rule's `params`, so that a change of just these settings reruns it. Snakemake records
    params without their names and order; one canonical text cannot be mistaken for another.
    """
    selected: dict[str, Any] = {}
    everything = config.model_dump(mode="json")
    for name in names:
        *sections, setting = name.split(".")
        source, target = everything, selected
        for section in sections:
            source, target = source[section], target.setdefault(section, {})
        target[setting] = source[setting]
    return json.dumps(selected, sort_keys=True)


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[Config]:
    """Run a script: yields the settings that its rule selected; prints and errors go to its log.

    The params `settings` and `unrecorded` hold them. A job that was interrupted exits with a code of its own. One whose
    Snakemake dies is interrupted, too: the next Snakemake would start it again beside this one.
    """
    if parent := os.environ.get(PARENT):
        end_with(int(parent))
    with _log(snakemake.log[0]) as log:
        try:
            with (
                contextlib.redirect_stdout(log),
                contextlib.redirect_stderr(log),
                explained(),
                interruptible(),
            ):
                for output in snakemake.output:
                    remove_leftovers(output)
                texts = (snakemake.params.get(name, "{}") for name in ("settings", "unrecorded"))
                selected = reduce(overlay, map(json.loads, texts))
                settings = parse_config(selected, origin=f"rule {snakemake.rule}")
                _forget_defaults(settings)
                try:
                    yield settings
                finally:
                    _check_place(snakemake.log[0], log)
        except InputError as error:
            log.write(f"InputError: {error}\n")
            sys.exit(str(error))  # the message without a traceback
        except Interrupted as stop:
            log.write(f"{stop}\n")
            sys.exit(EXIT_CODE)
        except BaseException:
            traceback.print_exc(file=log)
            raise


@contextlib.contextmanager
def _log(path: str) -> Iterator[TextIO]:
    """A log, line by line. Lines that the disk has no room for are lost.

    Raises:
        SystemExit: with a message, where it cannot be opened.
    """
    try:
        with explained(path):
            raw = Unfailing(path, "w")
    except InputError as error:
        sys.exit(str(error))
    with io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", line_buffering=True) as log:
        yield log


def _check_place(path: str, log: TextIO) -> None:
    """Refuse what was written where the file system of the results had been, after that was unmounted.

    Raises:
        InputError: the folder of the log is now on another file system than the log.
    """
    folder = next(parent for parent in Path(path).parents if parent.exists())
    if os.stat(folder).st_dev != os.fstat(log.fileno()).st_dev:
        raise InputError(
            f"{folder} was on another file system when this began: that is not mounted any more. Mount it again, and "
            "start again."
        )


def _forget_defaults(settings: Settings) -> None:
    """Make a job that reads a setting which its rule has not selected fail, instead of using the default."""
    for name in type(settings).model_fields:
        if name not in settings.model_fields_set:
            del settings.__dict__[name]
        elif isinstance(section := getattr(settings, name), Settings):
            _forget_defaults(section)
