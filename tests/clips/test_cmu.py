"""Finding and fetching the CMU file, with a small stand-in and no network."""

import hashlib

import pytest

from mocapact_core.clips import cmu
from mocapact_core.clips.cmu import ARCHIVE, NAME, archive_place, fetch_archive, find_archive
from mocapact_core.clips.download import Remote
from mocapact_core.errors import InputError

CONTENT = b"all the motion of CMU"


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "served.h5").write_bytes(CONTENT)
    url = (tmp_path / "served.h5").as_uri()
    return Remote(url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home and a dm_control of our own, without the file."""
    package = tmp_path / "dm_control"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_constants_are_dm_controls():
    from dm_control.locomotion.mocap import cmu_mocap_data as theirs

    assert theirs.H5_FILENAME["2020"] == NAME
    assert theirs.H5_URL["2020"] == ARCHIVE.url
    assert theirs.H5_BYTES["2020"] == ARCHIVE.size
    assert theirs.H5_SHA256["2020"] == ARCHIVE.sha256
    assert theirs.H5_PATHS["2020"][1] == f"~/.dm_control/{NAME}"


def test_found_in_the_home_or_in_dm_control(home, archive, monkeypatch):
    assert find_archive(archive=archive) is None
    monkeypatch.setattr(cmu.importlib.util, "find_spec", lambda name: _Spec(home / "dm_control/__init__.py"))
    packaged = home / "dm_control/locomotion/mocap" / NAME
    packaged.parent.mkdir(parents=True)
    packaged.write_bytes(CONTENT)
    assert find_archive(archive=archive) == packaged
    own = home / ".dm_control" / NAME
    own.parent.mkdir()
    own.write_bytes(CONTENT[:-1])  # half downloaded by someone else
    assert find_archive(archive=archive) == packaged
    own.write_bytes(CONTENT)
    assert find_archive(archive=archive) == own
    assert fetch_archive(archive=archive) == own


class _Spec:
    def __init__(self, origin):
        self.origin = str(origin)


def test_a_path_may_be_the_file_or_its_folder(home, archive):
    (home / "data").mkdir()
    assert find_archive(home / "data", archive) is None
    assert archive_place(home / "data", archive) == home / "data" / NAME
    assert archive_place("~/data/other.h5", archive) == home / "data/other.h5"
    (home / "data" / NAME).write_bytes(CONTENT)
    assert find_archive(home / "data", archive) == home / "data" / NAME
    assert find_archive("~/data", archive) == home / "data" / NAME


def test_downloaded_once_when_missing(home, archive):
    place = fetch_archive(archive=archive)
    assert place == home / ".dm_control" / NAME
    assert place.read_bytes() == CONTENT
    (home / "served.h5").unlink()
    assert fetch_archive(archive=archive) == place


def test_downloaded_to_the_path_that_is_asked_for(home, archive):
    assert fetch_archive(home / "data/cmu.h5", archive) == home / "data/cmu.h5"
    assert (home / "data/cmu.h5").read_bytes() == CONTENT


def test_another_file_is_left_alone(home, archive):
    (home / "mine.h5").write_bytes(b"something of mine")
    with pytest.raises(InputError, match=r"mine\.h5 is not .*17 bytes instead of 21.*source to hdf5"):
        fetch_archive(home / "mine.h5", archive)
    assert (home / "mine.h5").read_bytes() == b"something of mine"
