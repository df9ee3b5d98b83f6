"""Rollouts as a dataset of Minari (https://minari.farama.org), and back without loss.

An episode of T steps is an episode there:

    observations                               float32 (T + 1, D), the observables side by side, see below
    actions                                    float32 (T, 56), as executed
    rewards, terminations, truncations         (T,); an episode that did not fail is truncated at its end
    infos: mean_actions, values, advantages    float32 (T + 1, ...), NaN at the end, where there was no action
           snippet, step                       int64 (T + 1,): which one, as an index, and which step of it
           <camera>                            uint8 (T + 1, 64, 64, 3), of cameras that were recorded
    metadata: snippet, rollout                 its place in the rollout file
              options                          what `reset` takes to begin where the episode did

The metadata of the dataset tell the columns of each observable (`observable_columns`: first, and behind the last).
`recover_environment()` makes `MocapTracking-v0` with these observations on these snippets, of built-in motion; real
motion has to be given: `recover_environment(motion="cmu.h5")`. Beside Minari's own files, `outlines.hdf5` keeps
what the rollout files hold besides episodes, a group each.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from os import PathLike
from pathlib import Path

import h5py
import numpy as np
from gymnasium import spaces

from mocapact_core.envs import action_space
from mocapact_core.errors import InputError, nearest
from mocapact_core.files import writing_hdf5
from mocapact_core.rollouts import layout, outline
from mocapact_core.rollouts.minari_metadata import description, reference_scores, tracking_environment
from mocapact_core.rollouts.outline import Place
from mocapact_core.rollouts.summary import summarize

try:
    import minari
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.dataset.minari_storage import MinariStorage
    from minari.namespace import create_namespace, list_local_namespaces
    from minari.storage.datasets_root_dir import get_dataset_path
except ImportError as error:
    raise InputError(
        f"Minari is not installed ({error}). Install it with `pip install 'minari[hdf5]'`."
    ) from None

OUTLINES = "outlines.hdf5"
OF_ACTIONS = ("mean_actions", "values", "advantages")
PLACE = ("snippet", "step")

# ---- Export


def export_minari(
    rollout_paths: Sequence[str | Path],
    dataset_id: str,
    observables: Sequence[str] | None = None,
    motion: Callable[[str], str | PathLike] | None = None,
    author: str | None = None,
) -> "minari.MinariDataset":
    """Write rollouts as a local dataset of Minari, an episode in memory at a time.

    Args:
        rollout_paths: rollout files of one dataset, ours or published ones.
        dataset_id: such as mocapact/small-v0: a folder in MINARI_DATASETS_PATH, ~/.minari/datasets by default.
        observables: those to export; all in the files when None.
        motion: gives the file of a clip. With it, scores can be normalised (`minari.get_normalized_score`): 1 is
            the mean return of the episodes, 0 that of uniformly random actions from the same starts.
        author: of the dataset.

    Raises:
        InputError: rollouts that cannot be read or do not fit each other, an unknown observable, a dataset that
            is there already, or motion that is not to be had.
    """
    folder = _new_folder(dataset_id)
    summary = summarize(rollout_paths)
    paths = {Path(path).stem: path for path in rollout_paths}
    if len(paths) < len(rollout_paths):
        raise InputError("Two of the rollout files have the same name. A dataset has one file a clip.")
    with tempfile.TemporaryDirectory(dir=get_dataset_path(), prefix=".export-") as temporary:
        data = Path(temporary) / "dataset" / "data"
        data.mkdir(parents=True)
        with h5py.File(data / OUTLINES, "w") as outlines:
            columns = outline.write_outlines(outlines, paths, observables)
            environment = tracking_environment(summary, list(columns))
            storage = MinariStorage.new(
                data, _observation_space(columns), action_space(), environment, jpeg_encoding=False
            )
            storage.update_metadata({"dataset_id": dataset_id, "minari_version": minari.__version__})
            storage.update_metadata(description(summary, columns, author))
            storage.update_metadata(reference_scores(outlines, environment, motion))
            storage.update_episodes(_episodes(outlines, paths, np.concatenate(list(columns.values()))))
            storage.update_episode_metadata(
                {"snippet": place.snippet, "rollout": place.rollout} for place in outline.places(outlines)
            )
        _put(data.parent, folder, dataset_id)
    return minari.load_dataset(dataset_id)


def _new_folder(dataset_id: str) -> Path:
    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError):
        raise InputError(
            f"{dataset_id} cannot name a dataset of Minari. Names end with a version and may begin with folders, "
            f"such as mocapact/small-v0."
        ) from None
    folder = get_dataset_path(dataset_id)
    if folder.exists():
        raise InputError(
            f"There is a dataset {dataset_id} already, in {folder}. Choose another name or version, or delete it with "
            f"`minari delete {dataset_id}`."
        )
    return folder


def _put(made: Path, folder: Path, dataset_id: str) -> None:
    namespace, _, _ = parse_dataset_id(dataset_id)
    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)
    os.rename(made, folder)


def _observation_space(columns: Mapping[str, np.ndarray]) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, (sum(map(len, columns.values())),), np.float32)


def _episodes(
    outlines: h5py.File, paths: Mapping[str, str | Path], columns: np.ndarray
) -> Iterator[EpisodeBuffer]:
    for name, places in groupby(outline.places(outlines), key=lambda place: place.file):
        with layout.open_rollouts(paths[name]) as file:
            for place in places:
                yield _as_minari(file, place, columns)


def _as_minari(file: h5py.File, place: Place, columns: np.ndarray) -> EpisodeBuffer:
    episode = layout.read_episode(file, place.snippet, place.rollout)
    pictures = layout.pictures(file, place.snippet, place.rollout)
    states = np.arange(place.steps + 1)
    last = states[1:] == place.steps
    return EpisodeBuffer(
        options={"snippet": place.number, "step": place.start},
        observations=episode.observations[:, columns],
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=last & place.failed,
        truncations=last & ~place.failed,
        infos={
            **{name: _with_nan(getattr(episode, name)) for name in OF_ACTIONS},
            "snippet": np.full(len(states), place.number),
            "step": place.start + states,
            **{camera: frames[()] for camera, frames in pictures.items()},
        },
    )


def _with_nan(array: np.ndarray) -> np.ndarray:
    """Minari has infos of the last state, too."""
    return np.concatenate([array, np.full_like(array[:1], np.nan)])


# ---- Import


def import_minari(dataset_id: str, output_folder: str | PathLike) -> list[Path]:
    """Write the rollout files that a dataset of `export_minari` was made from, an episode in memory at a time.

    Raises:
        InputError: there is no such dataset, it is another's or was changed, or one of the files is there already.
    """
    dataset = _load(dataset_id)
    with h5py.File(dataset.storage.data_path / OUTLINES, "r") as outlines:
        targets = {name: Path(output_folder) / f"{name}.hdf5" for name in outlines}
        for path in targets.values():
            if path.exists():
                raise InputError(
                    f"{path} is there already. Import into another folder, or move the file away."
                )
        for name, of_file in groupby(
            enumerate(outline.places(outlines)), key=lambda numbered: numbered[1].file
        ):
            with writing_hdf5(targets[name]) as file:
                outline.copy_outline(outlines[name], file)
                for index, place in of_file:
                    _write_episode(file, place, dataset, index)
    return list(targets.values())


def _load(dataset_id: str) -> "minari.MinariDataset":
    try:
        dataset = minari.load_dataset(dataset_id)
    except FileNotFoundError:
        existing = list(minari.list_local_datasets())
        raise InputError(
            f"There is no dataset {dataset_id} in {get_dataset_path()}; the nearest of the {len(existing)} there are "
            f"{nearest(dataset_id, existing)}. MINARI_DATASETS_PATH says where to look."
        ) from None
    if not (dataset.storage.data_path / OUTLINES).is_file():
        raise InputError(
            f"The dataset {dataset_id} was not made by export-minari: it has no {OUTLINES}, from which rollout files could "
            f"be made again."
        )
    return dataset


def _write_episode(file: h5py.File, place: Place, dataset: "minari.MinariDataset", index: int) -> None:
    # Minari opens and closes its file for each episode, which keeps HDF5's caches small.
    data = dataset[index] if index < len(dataset) else None
    if data is None or len(data) != place.steps:
        raise InputError(
            f"The dataset {dataset.id} was changed: rollout {place.rollout} of {place.snippet} is not where it was when "
            f"it was exported. Only unchanged datasets can be imported."
        )
    episode = layout.Episode(
        observations=data.observations,
        actions=data.actions,
        rewards=data.rewards,
        **{name: data.infos[name][:-1] for name in OF_ACTIONS},
    )
    layout.write_episode(file, place.snippet, place.rollout, episode)
    pictures = {name: array for name, array in data.infos.items() if name not in (*OF_ACTIONS, *PLACE)}
    layout.write_pictures(file, place.snippet, place.rollout, pictures)
