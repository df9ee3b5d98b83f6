"""The 836 clips of dm_control's CMU file of 2020: their lengths, their split and their subsets.

MoCapAct's clips and snippets can be planned from this table alone, without the 476 MB of motion.
Motion from elsewhere that bears the name of a CMU clip takes its split and subsets from here, too.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("cmu_clips.csv")
SUBSETS = ("all", "train", "val", "locomotion", "get_up")


@dataclass(frozen=True)
class Membership:
    """Where a clip belongs; without more knowledge it is there to train on."""

    split: str = "train"
    """train or val (paper, section 4)."""
    locomotion: bool = False
    """Part of the Locomotion subset (paper, section 5.1.2)."""
    get_up: bool = False
    """Getting up from the ground: one snippet whatever its length (paper, appendix B.1.1)."""

    def within(self, subset: str) -> bool:
        """Whether a clip is part of one of `SUBSETS`."""
        return subset in ("all", self.split, *self.subsets)

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subsets besides train and val."""
        return tuple(name for name in ("locomotion", "get_up") if getattr(self, name))


@cache
def cmu_lengths() -> dict[str, int]:
    """The control steps of each clip, by name."""
    return {row["clip_id"]: int(row["n_steps"]) for row in _rows()}


def membership(clip: str) -> Membership:
    """Split and subsets of a clip; those of `Membership()` when it is none of CMU's."""
    return _memberships().get(clip, Membership())


@cache
def _memberships() -> dict[str, Membership]:
    return {
        row["clip_id"]: Membership(row["split"], row["locomotion"] == "1", row["get_up"] == "1")
        for row in _rows()
    }


@cache
def _rows() -> list[dict[str, str]]:
    with open(TABLE, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
