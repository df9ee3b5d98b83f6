"""The digest of a clip follows its content, not the file around it."""

import h5py
import numpy as np
import pytest

from mocapact_core.clips.content import clip_digest


def write(path, clips: dict[str, float], **attributes) -> None:
    with h5py.File(path, "w", track_order=True) as file:
        for name, value in clips.items():
            group = file.create_group(name)
            group.attrs["dt"] = 0.03
            group.attrs.update(attributes)
            group["walkers/walker_0/position"] = np.full((5, 3), value)


@pytest.fixture
def archive(tmp_path):
    write(tmp_path / "archive.h5", {"a": 1.0, "b": 2.0})
    return tmp_path / "archive.h5"


def test_another_file_with_the_same_clip(archive, tmp_path):
    write(tmp_path / "other.h5", {"c": 7.0, "b": 3.0, "a": 1.0})
    assert clip_digest(archive, "a") == clip_digest(tmp_path / "other.h5", "a")
    assert clip_digest(archive, "b") != clip_digest(tmp_path / "other.h5", "b")


def test_numbers_shapes_names_and_attributes_count(archive):
    digests = {clip_digest(archive, "a")}
    for change in (
        lambda group: group["walkers/walker_0/position"].__setitem__((0, 0), 1.5),
        lambda group: group.move("walkers/walker_0/position", "walkers/walker_0/positions"),
        lambda group: group.attrs.__setitem__("dt", 0.04),
        lambda group: group["walkers"].attrs.__setitem__("model", "V2020"),
        lambda group: group.create_dataset("extra", data=np.zeros((2, 0))),
    ):
        with h5py.File(archive, "r+") as file:
            change(file["a"])
        digests.add(clip_digest(archive, "a"))
    assert len(digests) == 6
