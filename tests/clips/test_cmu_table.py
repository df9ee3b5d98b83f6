"""The shipped table against the published counts."""

from mocapact_core.clips.cmu_table import Membership, cmu_lengths, membership


def test_published_counts():
    lengths = cmu_lengths()
    memberships = [membership(clip) for clip in lengths]
    assert len(lengths) == 836
    assert sum(clip.split == "train" for clip in memberships) == 773
    assert sum(clip.split == "val" for clip in memberships) == 63
    assert sum(clip.locomotion for clip in memberships) == 316
    assert sum(clip.get_up for clip in memberships) == 7
    assert min(lengths.values()) > 6, "every clip is longer than the published reference horizon"


def test_single_clips():
    assert cmu_lengths()["CMU_001_01"] == 760
    assert membership("CMU_001_01") == Membership("train", locomotion=True)
    assert membership("CMU_002_02") == Membership("val")
    assert membership("CMU_140_01") == Membership("train", get_up=True)


def test_other_clips_are_there_to_train_on():
    assert membership("my_dance") == Membership("train", locomotion=False, get_up=False)


def test_within():
    getting_up = Membership("train", get_up=True)
    assert [name for name in ("all", "train", "val", "locomotion", "get_up") if getting_up.within(name)] == [
        "all",
        "train",
        "get_up",
    ]
