"""Finding experts in folders that hold many."""

import shutil
from pathlib import Path

import pytest

from mocapact_core.errors import InputError
from mocapact_core.experts.zoo import experts_to_start_from, find_experts, told, zoo_experts
from mocapact_core.policies.folder import CLIP_INFO, DESCRIPTION, MODEL, NORMALIZER, WEIGHTS
from mocapact_core.settings import ExpertSettings

NAMES = ["CMU_009_12-0-198", "CMU_009_12-165-363", "CMU_083_33-0-194"]


def put(folder: Path, parts=(CLIP_INFO, MODEL, NORMALIZER)) -> Path:
    for part in parts:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).touch()
    return folder


def find(zoo, names=NAMES):
    return find_experts(zoo, names, "experts.zoo")


@pytest.mark.parametrize(
    "below", ["", "experts", "CMU_083_33", "experts_8/CMU_083_33", "all/experts_8/CMU_083_33"]
)
def test_experts_are_found_as_deep_as_published_archives_have_them(tmp_path, below):
    folder = put(tmp_path / below / NAMES[2])
    assert find(tmp_path) == {NAMES[2]: folder}


def test_several_archives_beside_each_other(tmp_path):
    first, second = put(tmp_path / "experts_1" / NAMES[0]), put(tmp_path / "experts_2" / NAMES[2])
    put(tmp_path / "experts_2" / "CMU_084_01-0-100")
    assert find(tmp_path) == {NAMES[0]: first, NAMES[2]: second}


def test_experts_in_plain_files_are_experts(tmp_path):
    folder = put(tmp_path / NAMES[0], (CLIP_INFO, WEIGHTS, DESCRIPTION))
    assert find(tmp_path) == {NAMES[0]: folder}


def test_an_expert_is_not_taken_from_one_of_two_places(tmp_path):
    put(tmp_path / "old" / NAMES[0])
    put(tmp_path / "new" / NAMES[0])
    with pytest.raises(InputError, match=rf"twice: {tmp_path}/new/\S+ and {tmp_path}/old/"):
        find(tmp_path)


@pytest.mark.parametrize("lacking", [CLIP_INFO, MODEL, NORMALIZER])
def test_an_expert_in_part_is_not_passed_over(tmp_path, lacking):
    """It would be trained instead, which is not what a cut download should lead to."""
    put(tmp_path / NAMES[0])
    (put(tmp_path / NAMES[1]) / lacking).unlink()
    with pytest.raises(InputError, match=rf"{NAMES[1]} is not whole: it lacks {lacking.name}"):
        find(tmp_path)


def test_a_zoo_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"experts\.zoo: .*nowhere cannot be read: No such file"):
        find(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"none of the 3 experts .* of its 0 the nearest are none"):
        find(tmp_path)
    put(tmp_path / "CMU_009_12-165-364")
    with pytest.raises(InputError, match="of its 1 the nearest are CMU_009_12-165-364"):
        find(tmp_path)


def test_what_comes_from_the_zoo_is_told():
    found = {NAMES[0]: Path("zoo")}
    assert told(found, NAMES[:1]) == "experts.zoo has 1 of 1 experts. None is trained."
    expected = "experts.zoo has 1 of 3 experts. Trained are CMU_009_12-165-363, CMU_083_33-0-194."
    assert told(found, NAMES) == expected


def test_a_zoo_counts_where_it_is_asked_for(tmp_path):
    folder = put(tmp_path / NAMES[0])
    assert zoo_experts(ExpertSettings(source="zoo", zoo=str(tmp_path)), NAMES) == {NAMES[0]: folder}
    assert zoo_experts(ExpertSettings(source="train", zoo=str(tmp_path)), NAMES) == {}


def test_one_expert_or_one_for_each_snippet_to_start_from(tmp_path):
    folders = [put(tmp_path / name) for name in NAMES]

    def start(place, names=NAMES):
        return experts_to_start_from(ExpertSettings(warm_start=str(place)), names)

    assert start(tmp_path) == dict(zip(NAMES, folders, strict=True))
    assert start(folders[0]) == dict.fromkeys(NAMES, folders[0])
    assert start("inverse_dynamics") == start("none") == start(tmp_path / "nowhere", []) == {}
    (folders[0] / NORMALIZER).unlink()
    with pytest.raises(InputError, match=r"experts\.warm_start: .* is not whole"):
        start(folders[0])
    shutil.rmtree(folders[0])
    with pytest.raises(InputError, match=rf"lacks the experts of 1 of 3 snippets: {NAMES[0]}\."):
        start(tmp_path)
    with pytest.raises(InputError, match=r"experts\.warm_start: .*nowhere cannot be read"):
        start(tmp_path / "nowhere")
