"""Rows of float32 as numpy sees raw bytes: assigning some rows to others copies the wanted columns and nothing else.

Each run of adjacent columns is one piece of a row; several pieces are the fields of a structure. A copy of many
rows is one call, whatever the number of pieces, and nothing need be aligned.
"""

import math
from collections.abc import Mapping, Sequence
from mmap import mmap
from typing import NamedTuple

import numpy as np

ITEM = 4
"""Bytes of a float32."""


class Rows:
    """Rows of `width` numbers in a file of which only `columns` are seen, in this order."""

    def __init__(self, columns: np.ndarray, width: int):
        self.runs = np.split(columns, np.flatnonzero(np.diff(columns) != 1) + 1)
        self.stride = ITEM * width
        self.begin = ITEM * int(columns[0]) if len(self.runs) == 1 else 0
        self._whole = len(self.runs) == 1 and len(columns) == width

    def prepare(self, target: np.ndarray) -> "_Copy":
        """Args: target: (B, T, D) or (B, T) float32, D being the columns."""
        size, steps = target.shape[:2]
        flat = target.reshape(size, steps, math.prod(target.shape[2:]))
        if self._whole:  # all steps are one piece
            kind = np.dtype(f"V{steps * self.stride}")
            return _Copy(flat.reshape(size, -1).view(kind)[:, 0], (), kind, ())
        begins = [ITEM * int(run[0]) for run in self.runs]
        ends = np.cumsum([ITEM * len(run) for run in self.runs])
        kind = self._kind([0, *ends[:-1].tolist()], int(ends[-1]))
        return _Copy(flat.view(kind)[..., 0], (steps,), self._kind(begins, self.stride), (self.stride,))

    def _kind(self, offsets: list[int], size: int) -> np.dtype:
        formats = [f"V{ITEM * len(run)}" for run in self.runs]
        if len(formats) == 1:
            return np.dtype(formats[0])  # copied in a third of the time that a structure takes
        names = [str(i) for i in range(len(formats))]
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


class _Copy(NamedTuple):
    """To assign to an element of `target` an array over a file, with the other three as its shape and the like."""

    target: np.ndarray
    shape: tuple[int, ...]
    kind: np.dtype
    strides: tuple[int, ...]


def copy_rows(
    targets: Mapping[str, np.ndarray],
    rows: Mapping[str, Rows],
    sources: Sequence[mmap],
    offsets: np.ndarray,
    first: np.ndarray,
    places: np.ndarray,
) -> None:
    """Copy consecutive rows of n episodes.

    Args:
        targets: (B, T, D) or (B, T) float32 to copy to; T need not be the same for all.
        rows: those of each target.
        sources: n mapped files.
        offsets: (n, number of targets) bytes at which the arrays of each episode begin.
        first: (n,) row to begin with.
        places: (n,) which of the B each is.
    """
    copies = [rows[name].prepare(target) for name, target in targets.items()]
    begins = offsets + [rows[name].begin for name in targets]
    begins += first[:, None] * [rows[name].stride for name in targets]
    for place, source, each in zip(places.tolist(), sources, begins.tolist(), strict=True):
        for (target, shape, kind, strides), begin in zip(copies, each, strict=True):
            target[place] = np.ndarray(shape, kind, source, begin, strides)
