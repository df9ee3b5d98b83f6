"""Cutting and choosing snippets, against the published list and the rule's own properties."""

import hashlib
from itertools import pairwise

import pytest

from mocapact_core.clips.cmu_table import cmu_lengths
from mocapact_core.clips.snippets import (
    Snippet,
    parse_snippet,
    read_table,
    select,
    split_clip,
    split_clips,
    write_table,
)
from mocapact_core.errors import InputError

PUBLISHED = "c310700d39b6f94cea15d90644a26bb59e17ed5c26b8d317bc2e194f7dd37451"


@pytest.fixture(scope="module")
def published() -> list[Snippet]:
    return split_clips(cmu_lengths())


def test_all_published_names(published):
    names = sorted(snippet.name for snippet in published)
    assert len(names) == 2589
    assert hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest() == PUBLISHED


@pytest.mark.parametrize(
    "subset, count", [("all", 2589), ("train", 2325), ("val", 264), ("locomotion", 552), ("get_up", 7)]
)
def test_published_subsets(published, subset, count):
    assert len(select(published, subset)) == count


def test_a_published_clip():
    assert split_clip(529) == [(0, 198), (165, 363), (330, 529)]


def test_getting_up_stays_whole():
    assert split_clip(257, get_up=True) == [(0, 257)]
    assert len(split_clip(257)) == 2


@pytest.mark.parametrize("max_steps, overlap", [(210, 33), (210, 0), (50, 49), (7, 3), (1, 0)])
def test_pieces_cover_the_clip_with_the_overlap_and_are_the_fewest(max_steps, overlap):
    for n_steps in [*range(1, 40), 210, 211, 387, 388, 999]:
        pieces = split_clip(n_steps, max_steps=max_steps, overlap=overlap)
        assert pieces[0][0] == 0 and pieces[-1][1] == n_steps
        assert all(end - following == overlap for (_, end), (following, _) in pairwise(pieces))
        assert all(0 < end - start <= max_steps for start, end in pieces)
        fewer = len(pieces) - 1
        if fewer:
            size = (n_steps + overlap * (fewer - 1)) // fewer
            assert n_steps - (fewer - 1) * (size - overlap) > max_steps, "one piece fewer would do"


def test_an_impossible_overlap_is_refused():
    with pytest.raises(InputError, match=r"at most 30 steps cannot overlap by 33: set clips\.overlap_steps"):
        split_clip(100, max_steps=30)


def test_names_are_read_back(published):
    for snippet in published[::100]:
        assert parse_snippet(snippet.name) == snippet
    assert parse_snippet("my-dance-3-10-0-20") == Snippet("my-dance-3-10", 0, 20)
    assert str(Snippet("a", 1, 5)) == "a-1-5"
    assert Snippet("a", 1, 5).n_steps == 4


@pytest.mark.parametrize("name", ["CMU_009_12", "CMU_009_12-165", "CMU_009_12-363-165", "-1-2", "a-b-c"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="does not name a snippet"):
        parse_snippet(name)


def test_lists_of_clips_and_snippets_and_subsets(published):
    chosen = select(published, ["CMU_009_12-165-363", "CMU_002_03", "CMU_002_03-0-44"])
    assert [snippet.name for snippet in chosen] == ["CMU_002_03-0-44", "CMU_009_12-165-363"]
    assert select(published, "CMU_009_12") == select(published, ["CMU_009_12"])
    assert len(select(published, "CMU_009_12")) == 3
    assert len(select(published, ["val", "get_up"])) == 271


def test_unknown_names_are_answered_with_the_nearest(published):
    with pytest.raises(InputError, match=r"trian is neither a subset .* nearest are train"):
        select(published, "trian")
    with pytest.raises(InputError, match=r"CMU_999_12 is neither .*836 clips at hand.* nearest are CMU_"):
        select(published, ["CMU_999_12"])
    with pytest.raises(InputError, match=r"CMU_999_12-0-9 is neither"):
        select(published, ["CMU_999_12-0-9"])
    with pytest.raises(InputError, match=r"no snippet CMU_009_12-165-364 .* nearest are CMU_009_12-165-363"):
        select(published, ["CMU_009_12", "CMU_009_12-165-364"])


def test_an_empty_choice_is_refused():
    with pytest.raises(InputError, match=r"subset val holds none of the 1 clips at hand, such as wave"):
        select([Snippet("wave", 0, 100)], "val")
    with pytest.raises(InputError, match="holds none"):
        select([Snippet("wave", 0, 100)], [])


def test_table(tmp_path, published):
    path = tmp_path / "clips/snippets.tsv"
    write_table(path, reversed(published))
    lines = path.read_text().splitlines()
    assert lines[0] == "snippet\tclip\tstart\tend\tsplit\tsubsets"
    assert lines[1] == "CMU_001_01-0-178\tCMU_001_01\t0\t178\ttrain\tlocomotion"
    assert "CMU_140_01-0-227\tCMU_140_01\t0\t227\ttrain\tget_up" in lines
    assert "CMU_002_02-0-79\tCMU_002_02\t0\t79\tval\t" in lines
    assert read_table(path) == published


def test_bad_tables_are_refused(tmp_path):
    (tmp_path / "empty.tsv").touch()
    with pytest.raises(InputError, match=r"empty\.tsv is no table of snippets"):
        read_table(tmp_path / "empty.tsv")
    with pytest.raises(InputError, match=r"absent\.tsv cannot be read: No such file"):
        read_table(tmp_path / "absent.tsv")
