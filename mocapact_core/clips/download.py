"""Downloading a large file of known size and hash: with a progress bar, and resumed where it broke off."""

import fcntl
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from mocapact_core.errors import InputError
from mocapact_core.files import sha256

CHUNK = 1 << 18  # bytes
TIMEOUT = 60.0  # seconds without a byte
TEMPORARY = (408, 425, 429)  # HTTP errors of the client's side that may pass


@dataclass(frozen=True)
class Remote:
    """A file somewhere else."""

    url: str
    size: int
    """Bytes."""
    sha256: str


class Interrupted(Exception):
    """The connection failed; what has come so far stays."""


def download(remote: Remote, path: str | os.PathLike, pause: float = 2.0) -> None:
    """Bring a file to `path`, where it appears only when it is whole and its hash is right.

    What has come lies beside it with the suffix `.part`. After an interruption the rest is asked for: five
    times at once, and again by the next call. Several processes may call: one works, the others wait.

    Args:
        pause: seconds before the second attempt, doubling with each.

    Raises:
        InputError: the server cannot be reached, does not have the file or has another one; or the file
            cannot be written.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.is_file() and path.stat().st_size == remote.size:  # another process was faster
                part.unlink(missing_ok=True)
                return
            _complete(remote, file, path, pause)
            _verify(remote, file)
            os.fsync(file.fileno())
            os.replace(part, path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error}). Make room there, or set clips.path to another place for it."
        ) from None


def _complete(remote: Remote, file: BinaryIO, path: Path, pause: float) -> None:
    """Append to the file until all bytes are there."""
    for wait in (0, pause, 2 * pause, 4 * pause, 8 * pause):
        time.sleep(wait)
        try:
            _append(remote, file)
            return
        except Interrupted as error:
            reason = error
    raise InputError(
        f"{remote.url} could not be downloaded: {reason}. What has come is kept in {file.name}; call again "
        f"to go on from there. Without a connection, bring the file from elsewhere and put it at {path}."
    )


def _append(remote: Remote, file: BinaryIO) -> None:
    """Ask for the bytes that are missing, once."""
    have = os.fstat(file.fileno()).st_size
    if have == remote.size:
        return
    if have > remote.size:
        file.truncate(have := 0)
    response = _request(remote.url, have)
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:  # the whole file, from its beginning
        file.truncate(have := 0)
    name = remote.url.rsplit("/", 1)[-1]
    with response, tqdm(desc=name, total=remote.size, initial=have, unit="B", unit_scale=True) as bar:
        for chunk in _chunks(response):
            file.write(chunk)
            file.flush()
            bar.update(len(chunk))
            have += len(chunk)
    if have < remote.size:
        raise Interrupted(f"the connection ended after {have:,} of {remote.size:,} bytes")


def _request(url: str, start: int) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code < 500 and error.code not in TEMPORARY:
            raise InputError(
                f"{url} could not be downloaded: the server answers {error.code}, {error.reason}. Bring the "
                "file from elsewhere and set clips.path to it."
            ) from None
        raise Interrupted(f"the server answers {error.code}, {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(str(getattr(error, "reason", error))) from None


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(str(error)) from None


def _verify(remote: Remote, file: BinaryIO) -> None:
    if sha256(file.name) != remote.sha256:
        file.truncate(0)
        raise InputError(
            f"What came from {remote.url} is not the file that was expected: its sha256 differs from "
            f"{remote.sha256}. It was thrown away; call again, or bring the file from elsewhere."
        )
