"""Clips that lie in one file or in several, by name."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import Trajectory, clip_names, read_trajectory
from mocapact_core.errors import InputError, nearest


class Library:
    """The clips in some files in dm_control's format, each read when it is asked for.

    Args:
        remedy: what the error for a clip that is not there advises.

    Raises:
        InputError: a file is missing, cut or not of this format; on reading, there is no such clip.
    """

    def __init__(self, paths: Sequence[str | PathLike], remedy: str = "Give its file as well."):
        self.remedy = remedy
        self.paths = {name: path for path in paths for name in clip_names(path)}

    def __getitem__(self, clip: str) -> Trajectory:
        if clip not in self.paths:
            raise InputError(
                f"There is no clip {clip} in the {len(set(self.paths.values()))} files given; the nearest are "
                f"{nearest(clip, [*self.paths])}. {self.remedy}"
            )
        return read_trajectory(self.paths[clip], clip)

    def of(self, snippets: Iterable[Snippet]) -> dict[str, Trajectory]:
        """The clips that these snippets are of, by name, sorted."""
        return {clip: self[clip] for clip in sorted({snippet.clip for snippet in snippets})}

    def segment(self, snippet: Snippet) -> Trajectory:
        return self[snippet.clip].segment(snippet.start, snippet.end)

    def whole(self, snippet: Snippet) -> Trajectory:
        """The clip of a snippet from its first to its last frame, named like a snippet."""
        trajectory = self[snippet.clip]
        return trajectory.segment(0, trajectory.n_steps)


def clip_inputs(paths: Iterable[str | PathLike]) -> dict[str, Path]:
    """Files of clips by what they are, for a provenance."""
    return {f"clips {Path(path).name}": Path(path) for path in paths}
