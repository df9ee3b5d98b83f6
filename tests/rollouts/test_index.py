"""Splits of snippets into those to train on and those to validate with."""

import pytest

from mocapact_core.clips.cmu_table import cmu_lengths, membership
from mocapact_core.clips.snippets import split_clips
from mocapact_core.errors import InputError
from mocapact_core.rollouts.index import read_index, split_snippets
from tests.rollouts.synthetic import write_synthetic_dataset

PUBLISHED = [snippet.name for snippet in split_clips(cmu_lengths())]


def test_the_published_split():
    train, val = split_snippets(PUBLISHED)
    assert (len(train), len(val)) == (2325, 264)  # as in the paper
    assert sorted(train + val) == sorted(PUBLISHED)
    assert all(membership(name.split("-")[0]).split == "val" for name in val)
    assert split_snippets(["march-0-90"]) == (["march-0-90"], [])


def test_a_split_by_share_and_seed():
    train, val = split_snippets(PUBLISHED, share=0.1, seed=3)
    assert len(val) == 259 and train == sorted(set(PUBLISHED) - set(val))
    assert split_snippets(PUBLISHED[::-1], share=0.1, seed=3) == (train, val)
    assert split_snippets(PUBLISHED, share=0.1, seed=4) != (train, val)
    assert split_snippets(PUBLISHED, share=0.0)[1] == []
    with pytest.raises(InputError, match=r"share of 1\.5"):
        split_snippets(PUBLISHED, share=1.5)


def test_both_sides_of_a_split_can_be_opened(tmp_path):
    paths, _, _ = write_synthetic_dataset(
        tmp_path, {name: [3, 4] for name in ("A_1-0-9", "A_1-5-14", "B-0-7")}
    )
    train, val = split_snippets(read_index(paths).snippets, share=1 / 3)
    for names, n in ((train, 4), (val, 2)):
        index = read_index(paths, names)
        assert index.snippets == names and len(index.steps) == n
        assert {index.name(i).split("/")[0] for i in range(n)} == set(names)
