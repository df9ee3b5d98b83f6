"""Whose the motion of a clip is, what may be done with it, what CMU asks to print, and whom to cite."""

from collections.abc import Iterable
from dataclasses import dataclass

from mocapact_core.clips.builtin import BUILTIN

PAPER = "https://arxiv.org/abs/2208.07363"
"""MoCapAct, whose experiments these are."""
CMU_ACKNOWLEDGEMENT = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. "
    "The database was created with funding from NSF EIA-0196217."
)
"""CMU asks for this text in publications of results, and for the citation by mail to jkh+mocap@cs.cmu.edu.
The motion is free for all uses and may be part of products; it may not be sold as such, even converted."""


@dataclass(frozen=True)
class Terms:
    """What may be done with data made from motion."""

    licence: dict[str, str]
    """As the Hugging Face hub writes it at the head of a data card."""
    text: str
    """A paragraph for each owner of the motion."""


def terms_of(clips: Iterable[str]) -> Terms:
    """The terms of data made from some clips, which are told apart by their names."""
    clips = sorted(clips)
    cmu = [clip for clip in clips if clip.startswith("CMU_")]
    builtin = [clip for clip in clips if clip in BUILTIN]
    others = [clip for clip in clips if clip not in cmu and clip not in builtin]
    licence, paragraphs = {"license": "mit"}, []
    if builtin:
        paragraphs.append(
            f"The motion of {_count(builtin)} is mocapact-core's own and under its licence, MIT."
        )
    if cmu:
        licence = {
            "license": "other",
            "license_name": "cmu-mocap",
            "license_link": "https://mocap.cs.cmu.edu",
        }
        paragraphs.append(
            f"The motion of {_count(cmu)} comes from the CMU Graphics Lab Motion Capture Database. It is free for "
            f"all uses and may be part of products; it may not be sold as such, even converted. CMU asks to print in "
            f"publications: {CMU_ACKNOWLEDGEMENT}"
        )
    if others:
        licence = {"license": "unknown"}
        paragraphs.append(
            f"Whose the motion of {_count(others)} is, and what may be done with it, is not known here: "
            f"{', '.join(others[:5])}{' ...' if len(others) > 5 else ''}."
        )
    return Terms(licence, "\n\n".join(paragraphs))


def _count(clips: list[str]) -> str:
    return f"{len(clips)} clip{'s' if len(clips) > 1 else ''}"
