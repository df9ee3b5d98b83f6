"""dm_control's 836 CMU clips of 2020, one file of 476 MB: found where it is, or downloaded."""

import importlib.util
import os
from pathlib import Path

from mocapact_core.clips.download import Remote, download
from mocapact_core.errors import InputError

NAME = "cmu_2020_dfe3e9e0.h5"
ARCHIVE = Remote(
    url=f"https://storage.googleapis.com/dm_control/{NAME}",
    size=476_559_420,
    sha256="dfe3e9e0b08d32960bdafbf89e541339ca8908a9a5e7f4a2c986362890d72863",
)


def usual_places() -> list[Path]:
    """Where dm_control keeps the file: in the user's home, or in its own folder."""
    places = [Path("~/.dm_control").expanduser() / NAME]
    package = importlib.util.find_spec("dm_control")
    if package and package.origin:
        places.append(Path(package.origin).parent / "locomotion" / "mocap" / NAME)
    return places


def find_archive(path: str | os.PathLike | None = None, archive: Remote = ARCHIVE) -> Path | None:
    """The file, told by its size; None when it is not there yet.

    Args:
        path: the file, or a folder it is in; without it, the usual places.

    Raises:
        InputError: `path` is another file.
    """
    places = usual_places() if path is None else [_place(path)]
    for place in places:
        if place.is_file() and place.stat().st_size == archive.size:
            return place
    if path is not None and places[0].is_file():
        raise InputError(
            f"{places[0]} is not dm_control's file of CMU motion ({NAME}): it has "
            f"{places[0].stat().st_size:,} bytes instead of {archive.size:,}. Remove it to have it "
            "downloaded again, or set clips.source to hdf5 if it is other motion in that format."
        )
    return None


def archive_place(path: str | os.PathLike | None = None, archive: Remote = ARCHIVE) -> Path:
    """Where the file is, or will be after `fetch_archive`."""
    return find_archive(path, archive) or (usual_places()[0] if path is None else _place(path))


def fetch_archive(path: str | os.PathLike | None = None, archive: Remote = ARCHIVE) -> Path:
    """Where the file is, downloaded if it was missing; errors as in `find_archive` and `download`."""
    place = archive_place(path, archive)
    if not place.is_file():
        download(archive, place)
    return place


def _place(path: str | os.PathLike) -> Path:
    place = Path(path).expanduser()
    return place / NAME if place.is_dir() else place
