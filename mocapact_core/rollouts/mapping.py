"""The arrays of rollout files, mapped into memory and copied from there a few steps at a time.

HDF5 keeps an array that is contiguous and not compressed in one piece, and tells where. Such arrays, ours by
default and the published ones, are used where they lie. Others are first copied to a temporary file, each
episode when it is first asked for.
"""

import math
import mmap
import resource
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.rollouts.index import EpisodeIndex, stamp
from mocapact_core.rollouts.layout import N_ACTIONS, PROPRIOCEPTIVE
from mocapact_core.rollouts.packing import PackedEpisodes
from mocapact_core.rollouts.rows import ITEM, Rows, copy_rows

WIDTHS = {"actions": N_ACTIONS, "mean_actions": N_ACTIONS, "rewards": 1, "values": 1, "advantages": 1}
"""Numbers a step in each array besides observations."""
RESIDENT_BYTES = 2**31
"""No more of the files than this stays in the memory of this process from one batch to the next."""
OTHER_FILES = 256
"""How many the rest of the program may have open."""
STATUS = Path("/proc/self/statm")
UNKNOWN = -1
AGAIN = "Collect or download these rollouts again."


class MappedEpisodes:
    """Random access to the steps of all episodes of an index.

    Args:
        index: the episodes.
        columns: for each part of the observations its columns, in the order wanted.
        scratch: folder for the temporary file; the system's when None.
        pack: copy all episodes there.

    Raises:
        InputError: more files than the system lets a process open.
    """

    def __init__(
        self,
        index: EpisodeIndex,
        columns: Mapping[str, np.ndarray],
        scratch: str | Path | None = None,
        pack: bool = False,
    ):
        self._index, self._scratch, self._pack = index, scratch, pack
        self._parts = columns
        self._rows = {part: Rows(of, index.width) for part, of in columns.items()}
        self._rows |= {name: Rows(np.arange(width), width) for name, width in WIDTHS.items()}
        self._slots = {name: 0 for name in columns} | {name: 1 + i for i, name in enumerate(WIDTHS)}
        self._offsets = np.full((len(index.steps), 1 + len(WIDTHS)), UNKNOWN)
        self._maps: dict[int, mmap.mmap] = {}
        self._packed: PackedEpisodes | None = None
        self._is_packed = np.zeros(len(index.steps), bool)
        self._mapped_bytes, self._others = 0, resident()
        _allow_open_files(len(index.paths))

    def gather(self, episodes: np.ndarray, first: np.ndarray, targets: Mapping[str, np.ndarray]) -> None:
        """Copy consecutive steps of each of B episodes.

        Args:
            episodes: (B,) int64, index into the episodes of the index.
            first: (B,) int64, first step to copy.
            targets: by part of the observations or name in `WIDTHS`: (B, T, D) or (B, T) float32 to copy to;
                T need not be the same for all, and observations have one step more than the rest.

        Raises:
            InputError: an episode that cannot be read, or a file that was changed since it was indexed.
            IndexError: an episode has fewer steps than that.
        """
        for name, target in targets.items():
            last = self._index.steps[episodes] + (name in self._parts) - target.shape[1]
            if (first < 0).any() or (first > last).any():
                raise IndexError(f"{target.shape[1]} steps of {name} go beyond an episode.")
        self._look_up(np.unique(episodes))
        order = np.argsort(episodes, kind="stable")  # steps that lie close to each other, one after the other
        slots = [self._slots[name] for name in targets]
        is_packed = self._is_packed[episodes[order]]
        for places, packed in ((order[~is_packed], None), (order[is_packed], self._packed)):
            chosen = episodes[places]
            sources = [
                packed.map if packed else self._maps[file] for file in self._index.files[chosen].tolist()
            ]
            offsets = self._offsets[chosen][:, slots]
            rows = packed.rows if packed else self._rows
            copy_rows(targets, rows, sources, offsets, first[places], places)
        self._release()

    def _look_up(self, episodes: np.ndarray) -> None:
        """Find out where episodes lie, of those of which it is not known yet."""
        unknown = episodes[self._offsets[episodes, 0] == UNKNOWN].tolist()
        for file, members in groupby(unknown, lambda episode: int(self._index.files[episode])):
            path = self._index.paths[file]
            try:
                if stamp(path) != self._index.stamps[file]:
                    raise InputError(f"{path} was changed while it was being read from. Begin anew.")
                with h5py.File(path, "r") as opened:
                    for episode in members:
                        self._find(opened, file, episode)
            except (OSError, KeyError) as error:
                raise InputError(f"{path} cannot be read ({error}). {AGAIN}") from None

    def _find(self, opened: h5py.File, file: int, episode: int) -> None:
        name, mapped = self._index.name(episode), self._mapping(file)
        places = [
            _place(opened, f"{name}/{array}", shape)
            for array, shape in _shapes(int(self._index.steps[episode]), self._index.width).items()
        ]
        if max(end for _, end in places) > len(mapped):
            raise InputError(f"{opened.filename} was cut off within episode {name}. {AGAIN}")
        self._is_packed[episode] = self._pack or any(begin == UNKNOWN for begin, _ in places)
        if self._is_packed[episode]:
            self._offsets[episode] = self._packing().write(episode, opened[name])
        else:
            self._offsets[episode] = [begin for begin, _ in places]

    def _mapping(self, file: int) -> mmap.mmap:
        if file not in self._maps:
            with open(self._index.paths[file], "rb") as opened:
                self._maps[file] = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
            self._mapped_bytes += len(self._maps[file])
        return self._maps[file]

    def _packing(self) -> PackedEpisodes:
        if self._packed is None:
            self._packed = PackedEpisodes(self._index, self._parts, WIDTHS, self._scratch)
            self._mapped_bytes += len(self._packed.map)
        return self._packed

    def _release(self) -> None:
        """Give mapped pages back once there are too many. The kernel may still cache what they hold."""
        if self._mapped_bytes > RESIDENT_BYTES and resident() - self._others > RESIDENT_BYTES:
            for mapped in (*self._maps.values(), *([self._packed.map] if self._packed else [])):
                mapped.madvise(mmap.MADV_DONTNEED)


def resident() -> int:
    """Bytes of files, libraries among them, in the memory of this process; 0 where only Linux would tell."""
    if not STATUS.exists():
        return 0
    return int(STATUS.read_text().split()[2]) * mmap.PAGESIZE


def _shapes(steps: int, width: int) -> dict[str, tuple[int, ...]]:
    """Of the arrays of an episode, in the order of their offsets."""
    arrays = {name: (steps,) if of == 1 else (steps, of) for name, of in WIDTHS.items()}
    return {PROPRIOCEPTIVE: (steps + 1, width), **arrays}


def _place(opened: h5py.File, name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Where in the file an array of float32 begins and ends; UNKNOWN if it is not stored like that."""
    array = h5py.h5d.open(opened.id, name.encode())  # half the time of opened[name]
    if array.shape != shape:
        raise InputError(f"{opened.filename}: {name} has the shape {array.shape} instead of {shape}. {AGAIN}")
    begin = array.get_offset() if array.dtype == np.float32 else None
    return (UNKNOWN, UNKNOWN) if begin is None else (begin, begin + ITEM * math.prod(shape))


def _allow_open_files(n: int) -> None:
    """A mapped file counts as an open one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2**20 if hard == resource.RLIM_INFINITY else hard
    if most < n + OTHER_FILES:
        raise InputError(
            f"{n} rollout files cannot be open at once, as a process may open {most}. Ask for fewer clips, "
            f"or raise the limit (ulimit -Hn)."
        )
    wanted = min(most, 2 * n + OTHER_FILES)  # as many again for data to validate with
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
