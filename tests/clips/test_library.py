"""Clips by name, whether they lie in one file each or in one together."""

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.content import clip_digest
from mocapact_core.clips.library import Library
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import SHAPES, gather_clips, write_trajectory
from mocapact_core.errors import InputError

WAVE, LATER, STAND = Snippet("wave", 5, 40), Snippet("wave", 20, 60), Snippet("stand", 0, 30)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in ("wave", "squat", "stand"):
        write_trajectory(folder / f"{name}.h5", builtin_trajectory(name), {"made from": name})
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def together(files, tmp_path_factory):
    path = tmp_path_factory.mktemp("together") / "all.hdf5"
    gather_clips(files, path)
    return path


def test_one_file_or_many(files, together):
    for library in (Library(files), Library([together])):
        clips = library.of([WAVE, STAND, LATER])
        assert list(clips) == ["stand", "wave"]
        for name, clip in clips.items():
            for field in SHAPES:
                np.testing.assert_array_equal(getattr(clip, field), getattr(builtin_trajectory(name), field))
        assert (library.segment(LATER).name, library.segment(LATER).n_steps) == ("wave-20-60", 40)
        whole = builtin_trajectory("wave")
        assert len(library.whole(LATER)) == len(whole)
        np.testing.assert_array_equal(library.whole(LATER).joints, whole.joints)


def test_a_clip_is_the_same_in_either(files, together):
    """So that a run on another's gathered clips makes nothing again that was made of the same motion."""
    for path in files:
        assert clip_digest(path, path.stem) == clip_digest(together, path.stem)


def test_a_clip_that_is_not_there(files):
    with pytest.raises(InputError, match=r"no clip wav in the 3 files.*nearest are wave.*Give its file"):
        Library(files)["wav"]
    with pytest.raises(InputError, match=r"gone\.h5"):
        Library([*files, files[0].parent / "gone.h5"])
