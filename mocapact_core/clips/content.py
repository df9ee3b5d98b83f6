"""Telling a changed clip from a touched archive."""

import hashlib
from os import PathLike


def clip_digest(path: str | PathLike, clip: str) -> str:
    """Digest of all data and attributes of one clip in an HDF5 file, wherever in the file they lie.

    Its provenance, which `gather_clips` keeps there, is left out: equal motion is equal, however it was made.
    """
    import h5py

    digest = hashlib.sha256()

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        digest.update(f"{name}\0".encode())
        for key, value in sorted(item.attrs.items()):
            if key != "provenance":
                digest.update(f"{key}={value!r}\0".encode())
        if isinstance(item, h5py.Dataset):
            digest.update(f"{item.dtype} {item.shape}\0".encode())
            digest.update(item[()].tobytes())

    with h5py.File(path, "r") as file:
        group = file[clip]
        add("", group)
        group.visititems(add)
    return digest.hexdigest()[:16]
