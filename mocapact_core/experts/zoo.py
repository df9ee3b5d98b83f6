"""Folders that hold many experts, such as MoCapAct's model zoo or the `experts` of another run.

The published archives unpack to folders of different depth (`<snippet>`, `<clip>/<snippet>`, `experts_1/<clip>/<snippet>`),
so experts are looked for by the name of their folder. Nothing is read of them here, and torch is not needed.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mocapact_core.errors import InputError, nearest
from mocapact_core.policies.folder import CLIP_INFO, is_expert, parts
from mocapact_core.settings import ExpertSettings

DEPTH = 4
"""Experts lie at most so many folders deep in a zoo."""
_SNIPPET = re.compile(r".+-\d+-\d+")


def zoo_experts(settings: ExpertSettings, snippets: Iterable[str]) -> dict[str, Path]:
    """The folders of the experts that need not be trained, by snippet; none where all are to be trained.

    Raises:
        InputError: see `find_experts`.
    """
    if settings.source == "train":
        return {}
    assert settings.zoo is not None, "check_config asks for it"
    return find_experts(settings.zoo, snippets, "experts.zoo")


def experts_to_start_from(settings: ExpertSettings, snippets: Iterable[str]) -> dict[str, Path]:
    """The folders of the experts that trainings start from, by snippet; none where they start otherwise.

    Raises:
        InputError: experts.warm_start is neither an expert nor a zoo that has the expert of every snippet.
    """
    place, wanted = Path(settings.warm_start), list(snippets)
    if "/" not in settings.warm_start or not wanted:
        return {}
    if is_expert(place):
        _check_whole(place, "experts.warm_start")
        return dict.fromkeys(wanted, place)
    found = find_experts(place, wanted, "experts.warm_start")
    if missing := [name for name in wanted if name not in found]:
        raise InputError(
            f"experts.warm_start is {place}, which lacks the experts of {len(missing)} of {len(wanted)} snippets: "
            f"{_listed(missing)}. Name a folder that has them all, or that of one expert for all snippets."
        )
    return found


def find_experts(zoo: str | os.PathLike[str], snippets: Iterable[str], setting: str) -> dict[str, Path]:
    """The folders of those of some snippets' experts that a zoo has.

    Args:
        snippets: names such as CMU_009_12-165-363.
        setting: what names the zoo, for messages.

    Raises:
        InputError: the zoo is no folder or has none of them, or one of them twice or in part.
    """
    wanted = dict.fromkeys(snippets)
    found: dict[str, Path] = {}
    others = []
    for folder in expert_folders(zoo, setting):
        if folder.name not in wanted:
            others.append(folder.name)
        elif folder.name in found:
            raise InputError(
                f"{setting} has {folder.name} twice: {found[folder.name]} and {folder}. Keep one of them there."
            )
        else:
            found[folder.name] = folder
    for folder in found.values():
        _check_whole(folder, setting)
    if not found:
        first = next(iter(wanted))
        raise InputError(
            f"{setting} is {zoo}, which has none of the {len(wanted)} experts that are asked for, such as "
            f"{first}; of its {len(others)} the nearest are {nearest(first, others)}."
        )
    return found


def told(found: Mapping[str, Path], snippets: Iterable[str]) -> str:
    """What comes from the zoo and what does not, as a line for the log."""
    wanted = list(snippets)
    trained = [name for name in wanted if name not in found]
    rest = f"Trained are {_listed(trained)}." if trained else "None is trained."
    return f"experts.zoo has {len(found)} of {len(wanted)} experts. {rest}"


def _listed(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def expert_folders(zoo: str | os.PathLike[str], setting: str, depth: int = DEPTH) -> Iterator[Path]:
    """The folders in a zoo that are named like snippets, sorted.

    Args:
        setting: what names the zoo, for messages.

    Raises:
        InputError: the zoo is no folder or cannot be read.
    """
    try:
        entries = sorted(os.scandir(zoo), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{setting}: {zoo} cannot be read: {error.strerror}.") from None
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        if _SNIPPET.fullmatch(entry.name):
            yield Path(entry.path)
        elif depth > 1:
            yield from expert_folders(entry.path, setting, depth - 1)


def _check_whole(folder: Path, setting: str) -> None:
    missing = [part.name for part in (folder / CLIP_INFO, *parts(folder)) if not part.is_file()]
    if missing:
        raise InputError(
            f"{setting}: the expert in {folder} is not whole: it lacks {', '.join(missing)}. Fetch it again, or "
            "take its folder away."
        )
