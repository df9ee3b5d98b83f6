"""Files appear whole or not at all, and the same content always has the same bytes."""

import contextlib
import csv
import errno
import glob
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mocapact_core.errors import InputError

if TYPE_CHECKING:
    import h5py

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold, so that equal content is equal bytes
STORAGE_FAULTS = {
    errno.ENOSPC: "Make room on its disk",
    errno.EDQUOT: "Make room within your quota",
    errno.EROFS: "Make its folder writable, or choose another with the setting `results`",
    errno.EACCES: "Make its folder writable, or choose another with the setting `results`",
    errno.EIO: "See to its disk",
    errno.ESTALE: "Mount its file system again",
    errno.ENOTCONN: "Mount its file system again",
    errno.ENODEV: "Mount its file system again",
    errno.ETIMEDOUT: "See to its file server",
}
"""What to do about errors that are no fault of the program, by their number."""


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Write to the temporary name this yields; on success it is synced and takes the place of `path`.

    The temporary file lies in the same folder and keeps the suffix (some writers choose a format by it).

    Raises:
        InputError: the disk is full, read-only or away. A file that was there before stays.
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix="".join(path.suffixes)
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # where the disk is away
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def explained(path: str | os.PathLike | None = None) -> Iterator[None]:
    """Within, errors of the storage that `path` is on, or the file they are about, say what to do.

    Raises:
        InputError: instead of OSError, where it is one of STORAGE_FAULTS.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in STORAGE_FAULTS:
            raise
        remedy = STORAGE_FAULTS[error.errno]
        raise InputError(
            f"{path or error.filename or 'A file'} cannot be used: {os.strerror(error.errno)}. {remedy} and start "
            "again. Nothing is damaged, and trainings go on from their checkpoints."
        ) from error


class Unfailing(io.FileIO):
    """A file that keeps the first error of writing as `failure` instead of raising it.

    For HDF5, which crashes where it cannot write, and for logs, which are not worth ending a job for.
    """

    failure: OSError | None = None

    def write(self, content: Any) -> int:
        left = memoryview(content).cast("B")
        size = len(left)
        with self._kept():
            while left and not self.failure:
                left = left[super().write(left) :]
        return size

    def truncate(self, size: int | None = None) -> int:
        with self._kept():
            return super().truncate(size)
        return size or 0

    def close(self) -> None:
        with self._kept():
            super().close()

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error


@contextlib.contextmanager
def writing_hdf5(path: str | os.PathLike) -> "Iterator[h5py.File]":
    """An HDF5 file to write into; it takes the place of `path` when the block ends well.

    Raises:
        InputError: see `atomic`.
    """
    import h5py

    with atomic(path) as temporary, Unfailing(temporary, "w+") as raw:
        try:
            with h5py.File(raw, "w") as file:
                yield file
        finally:
            if raw.failure:
                raise raw.failure  # rather than what HDF5 says when it reads what was not written


def remove_leftovers(path: str | os.PathLike) -> None:
    """Remove the temporary files of writers of `path` that were killed. There must be none that is alive."""
    path = Path(path)
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*"):
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: str | os.PathLike, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table with a header: numbers in full precision, what is None an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def copy(source: str | os.PathLike, target: str | os.PathLike) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def write_json(path: str | os.PathLike, content: Any) -> None:
    """JSON with sorted keys, so that equal content is equal bytes."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def write_tensors(path: str | os.PathLike, content: Any) -> None:
    """A file of `torch.save`."""
    import torch

    buffer = io.BytesIO()  # its own way of writing a file says nothing of a full disk
    torch.save(content, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def write_zip(path: str | os.PathLike, members: Mapping[str, bytes]) -> None:
    """A zip of `members` with fixed dates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), content)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def sha256(path: str | os.PathLike) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
