"""The folder of an expert: MoCapAct's layout, and beside it the same numbers in files that need no pickle.

Only names and small files are handled here, without torch: planning the workflow needs no more.
"""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from mocapact_core.clips.snippets import Snippet
from mocapact_core.errors import InputError
from mocapact_core.files import read_json, write_json

MODEL = Path("eval_rsi/model/best_model.zip")
NORMALIZER = Path("eval_rsi/model/vecnormalize.pkl")
WEIGHTS = Path("expert.safetensors")
DESCRIPTION = Path("expert.json")
CLIP_INFO = Path("clip_info.json")


def is_expert(folder: Path) -> bool:
    """Whether `folder` is that of an expert, whole or not."""
    return any((folder / part).exists() for part in (CLIP_INFO, MODEL, WEIGHTS))


def is_plain(folder: Path) -> bool:
    """Whether the expert in `folder` is there in plain files only; else the published ones are read."""
    return (folder / WEIGHTS).exists() and not (folder / MODEL).exists()


def parts(folder: Path) -> list[Path]:
    """The files that the expert in `folder` is read from."""
    return [folder / part for part in ((WEIGHTS, DESCRIPTION) if is_plain(folder) else (MODEL, NORMALIZER))]


def named_parts(folder: Path | None) -> dict[str, Path]:
    """`parts` by name, for provenance; none of no folder."""
    return {} if folder is None else {part.name: part for part in parts(folder)}


def expert_files(experts_folder: str | PathLike, snippets: Iterable[Snippet]) -> dict[str, Path]:
    """What is read of the experts of some snippets, for the provenance of what is made with them.

    Raises:
        InputError: one of them is not there.
    """
    files = {
        f"{snippet} {part.name}": part
        for snippet in snippets
        for part in parts(Path(experts_folder) / snippet.name)
    }
    for name, part in files.items():
        if not part.is_file():
            raise InputError(
                f"There is no expert of {name.split()[0]} in {experts_folder}: {part} is missing. Train it first."
            )
    return files


def write_clip_info(folder: Path, clip: str, start: int, end: int) -> None:
    write_json(folder / CLIP_INFO, {"clip_id": clip, "start_step": start, "end_step": end})


def read_clip_info(folder: str | PathLike) -> Snippet:
    """The snippet of the expert in `folder`.

    Raises:
        InputError: clip_info.json is missing or damaged.
    """
    path = Path(folder) / CLIP_INFO
    try:
        info = read_json(path)
        return Snippet(str(info["clip_id"]), int(info["start_step"]), int(info["end_step"]))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"There is no expert at {folder}: {CLIP_INFO} is missing, which comes last in training. Give the "
            "folder of an expert, such as results/experts/CMU_009_12-165-363."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not tell the snippet of an expert ({type(error).__name__}: {error}): it should hold "
            "clip_id, start_step and end_step. Train the expert again, or copy the file again."
        ) from None
