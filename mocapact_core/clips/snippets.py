"""Snippets: the overlapping pieces of a few seconds that clips are cut into, one expert each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from os import PathLike
from pathlib import Path

from mocapact_core.clips.cmu_table import SUBSETS, membership
from mocapact_core.errors import InputError, nearest
from mocapact_core.files import write_text

MAX_STEPS = 210  # control steps (paper, appendix B.1.1)
OVERLAP = 33  # control steps (paper, appendix B.1.1)
_NAME = re.compile(r"(.+)-(\d+)-(\d+)")
AT_HAND = "at hand"
COLUMNS = ("snippet", "clip", "start", "end", "split", "subsets")


@dataclass(frozen=True, order=True)
class Snippet:
    """The frames from `start` to `end` of a clip, both included."""

    clip: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """As in the published data: CMU_009_12-165-363."""
        return f"{self.clip}-{self.start}-{self.end}"

    @property
    def n_steps(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return self.name


def parse_snippet(name: str) -> Snippet:
    """The snippet of a name. Raises InputError when that is no name of a snippet."""
    parts = _NAME.fullmatch(name)
    if not parts or int(parts[2]) >= int(parts[3]):
        raise InputError(
            f"{name} does not name a snippet; names are clip-start-end, such as CMU_009_12-165-363."
        )
    return Snippet(parts[1], int(parts[2]), int(parts[3]))


def split_clip(
    n_steps: int, get_up: bool = False, max_steps: int = MAX_STEPS, overlap: int = OVERLAP
) -> list[tuple[int, int]]:
    """Cut a clip into the fewest pieces of equal length that are not too long (paper, appendix B.1.1).

    The last piece also takes the remainder of the division. Clips of getting up stay whole.

    Returns:
        (start, end) of each piece in control steps.
    """
    if overlap >= max_steps:
        raise InputError(
            f"Snippets of at most {max_steps} steps cannot overlap by {overlap}: set clips.overlap_steps "
            "below clips.max_snippet_steps."
        )
    for n_pieces in count(1):
        size = (n_steps + overlap * (n_pieces - 1)) // n_pieces
        starts = [i * (size - overlap) for i in range(n_pieces)]
        if get_up or n_steps - starts[-1] <= max_steps:
            break
    return list(zip(starts, [start + size for start in starts[:-1]] + [n_steps], strict=True))


def split_clips(lengths: dict[str, int], max_steps: int = MAX_STEPS, overlap: int = OVERLAP) -> list[Snippet]:
    """The snippets of clips of given lengths in control steps, sorted."""
    return [
        Snippet(clip, start, end)
        for clip, n_steps in sorted(lengths.items())
        for start, end in split_clip(n_steps, membership(clip).get_up, max_steps, overlap)
    ]


@dataclass(frozen=True)
class Selection:
    """What a subset asks for."""

    whole: frozenset[str]
    """Clips of which all snippets are asked for."""
    pieces: frozenset[str]
    """Names of single snippets."""

    @property
    def clips(self) -> list[str]:
        """The clips that are needed, sorted."""
        return sorted(self.whole | {parse_snippet(name).clip for name in self.pieces})

    def __contains__(self, snippet: Snippet) -> bool:
        return snippet.clip in self.whole or snippet.name in self.pieces


def select(snippets: Iterable[Snippet], subset: str | list[str], place: str = AT_HAND) -> list[Snippet]:
    """The snippets that a subset names, sorted; `subset` as in `config.ClipSettings`.

    Args:
        place: where these snippets are, for messages: "the 5 clips {place}".

    Raises:
        InputError: a name in it is neither a subset, nor one of these snippets, nor a clip of them; or no
            snippet is left.
    """
    snippets = sorted(snippets)
    asked = resolve([snippet.clip for snippet in snippets], subset, place)
    names = [snippet.name for snippet in snippets]
    for name in sorted(asked.pieces.difference(names)):
        raise InputError(
            f"There is no snippet {name} among the {len(names)} {place}; the nearest are "
            f"{nearest(name, names)}. Where clips are cut follows from clips.max_snippet_steps and "
            "clips.overlap_steps; `python -m mocapact_core snippets` lists all."
        )
    return [snippet for snippet in snippets if snippet in asked]


def resolve(clips: Iterable[str], subset: str | list[str], place: str = AT_HAND) -> Selection:
    """What a subset asks for, before the clips are cut; arguments as of `select`.

    Raises:
        InputError: a name in it is neither a subset, nor one of the clips, nor a snippet of one of them; or
            it holds nothing.
    """
    known = set(clips)
    whole: set[str] = set()
    pieces: set[str] = set()
    for item in [subset] if isinstance(subset, str) else subset:
        if item in SUBSETS:
            whole |= {clip for clip in known if membership(clip).within(item)}
        elif item in known:
            whole.add(item)
        elif _NAME.fullmatch(item) and parse_snippet(item).clip in known:
            pieces.add(item)
        else:
            raise InputError(
                f"{item} is neither a subset ({', '.join(SUBSETS)}), nor one of the {len(known)} clips "
                f"{place}, nor a snippet of one; the nearest are "
                f"{nearest(item, [*SUBSETS, *sorted(known)])}."
            )
    if not whole and not pieces:
        asked = subset if isinstance(subset, str) else ", ".join(subset)
        raise InputError(
            f"The subset {asked} holds none of the {len(known)} clips {place}, such as "
            f"{', '.join(sorted(known)[:3])}; choose one of {', '.join(SUBSETS)}, or names of "
            "clips and snippets."
        )
    return Selection(frozenset(whole), frozenset(pieces))


def write_table(path: str | PathLike, snippets: Iterable[Snippet]) -> None:
    """Write the table of snippets: tab-separated, one a line, with split and subsets of their clips."""
    lines = ["\t".join(COLUMNS)]
    for snippet in sorted(snippets):
        clip = membership(snippet.clip)
        row = (snippet.name, snippet.clip, snippet.start, snippet.end, clip.split, ",".join(clip.subsets))
        lines.append("\t".join(map(str, row)))
    write_text(path, "\n".join(lines) + "\n")


def read_table(path: str | PathLike) -> list[Snippet]:
    """The snippets of a table. Raises InputError when the file is missing or no such table."""
    try:
        header, *lines = Path(path).read_text(encoding="utf-8").splitlines() or [""]
    except OSError as error:
        raise InputError(f"The table of snippets {path} cannot be read: {error.strerror}.") from None
    if tuple(header.split("\t")) != COLUMNS:
        raise InputError(
            f"{path} is no table of snippets: its first line should be the tab-separated columns "
            f"{', '.join(COLUMNS)}. Delete it and run the workflow again."
        )
    return [parse_snippet(line.split("\t")[0]) for line in lines if line]
