"""A temporary file with the wanted columns of episodes, for what cannot be used where it lies."""

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.rollouts.index import EpisodeIndex
from mocapact_core.rollouts.layout import PROPRIOCEPTIVE
from mocapact_core.rollouts.rows import ITEM, Rows


class PackedEpisodes:
    """A file of float32 in which a row holds all that is wanted of a step. It vanishes with this object.

    Every episode has its place from the beginning, but takes up room only when it is written.

    Args:
        index: the episodes.
        columns: for each part of the observations its columns, in the order wanted.
        widths: numbers a step of each array besides observations.
        folder: where the file is; the system's folder for temporary files when None.

    Raises:
        InputError: no such file can be made there.
    """

    rows: dict[str, Rows]
    """Where each part and array is in the rows of this file."""

    def __init__(
        self,
        index: EpisodeIndex,
        columns: Mapping[str, np.ndarray],
        widths: Mapping[str, int],
        folder: str | Path | None,
    ):
        self._index, self._columns, self._widths = index, columns, widths
        self._folder = folder or tempfile.gettempdir()
        sizes = [len(of) for of in columns.values()] + list(widths.values())
        ends = np.cumsum(sizes).tolist()
        names = [*columns, *widths]
        self._places = {
            name: np.arange(end - n, end) for name, n, end in zip(names, sizes, ends, strict=True)
        }
        self.rows = {name: Rows(of, ends[-1]) for name, of in self._places.items()}
        self._first_rows = np.cumsum(index.steps + 1) - (index.steps + 1)
        self._row_bytes = ITEM * ends[-1]
        size = int((index.steps + 1).sum()) * self._row_bytes
        with self._room():
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115, lives as long as this
            os.ftruncate(self._file.fileno(), size)
            self.map = mmap.mmap(self._file.fileno(), size, prot=mmap.PROT_READ)

    def write(self, episode: int, group: h5py.Group) -> int:
        """Take over an episode, T + 1 rows; only its observation is of use in the last.

        Returns:
            the byte at which its rows begin.

        Raises:
            InputError: there is no room.
        """
        rows = np.zeros((int(self._index.steps[episode]) + 1, self._row_bytes // ITEM), np.float32)
        observations = group[PROPRIOCEPTIVE][()]
        for part, columns in self._columns.items():
            rows[:, self._places[part]] = observations[:, columns]
        for name in self._widths:
            rows[:-1, self._places[name]] = group[name][()].reshape(len(rows) - 1, -1)
        left = memoryview(rows.data).cast("B")
        begin = place = int(self._first_rows[episode]) * self._row_bytes
        with self._room():
            while left:
                written = os.pwrite(self._file.fileno(), left, place)
                left, place = left[written:], place + written
        return begin

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"Rollouts cannot be unpacked in {self._folder} ({error}), as they must be when they are "
                f"compressed or not of float32. Give a folder with more room as `scratch`."
            ) from None
