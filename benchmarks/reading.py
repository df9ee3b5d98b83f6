"""How fast are sequences read from rollout files? Ours and a reader that works as the published one does, in one run.

    python -m benchmarks.reading [--steps 120] [--rounds 15] [--folder /tmp]

Both read the same files, of random numbers in the published layout: the same 800 episodes in 20 files and in 800, in a
temporary folder, under 4 GB with all that is unpacked. They fit into memory: what is measured is the reading, not the disk.
The published way is, for each sequence: find its episode, open the file, slice five arrays, pick the columns of the policy,
close. Rounds take turns, so that a machine that is busy for a while is busy for all; times are CPU seconds of one thread.
Ours is measured

    mapped    as it comes, once every episode was drawn before;
    bounded   with an eighth of the files allowed in the memory of the process, as when there is far more data than memory;
    packed    the same, with the wanted columns of all episodes copied to a temporary file.

Then it opens 800 files of 60 short episodes each.
"""

import argparse
import multiprocessing
import tempfile
import time
from bisect import bisect_right
from multiprocessing.connection import Connection
from pathlib import Path

import h5py
import numpy as np

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.humanoid.observables import HIGH_LEVEL, HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.rollouts import layout, mapping
from mocapact_core.rollouts.dataset import Batch, RolloutDataset
from mocapact_core.rollouts.metrics import write_dataset_metrics
from mocapact_core.rollouts.statistics import Statistics
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import OBSERVABLES, TrackingTask

EPISODES = 800
BATCH = 256
POLICIES = {"multi-clip policy": (HIGH_LEVEL, 30), "GPT": (HIGH_LEVEL_SANS_REFERENCE, 32)}
ARRAYS = ("actions", "mean_actions", "values", "advantages")


def write_files(folder: Path, n_files: int, n_snippets: int, n_episodes: int, steps: int) -> list[Path]:
    """Rollout files of `n_snippets` snippets of `n_episodes` episodes, the same numbers in each episode."""
    task = TrackingTask(References([builtin_trajectory("march")]), 1, OBSERVABLES)
    rng = np.random.default_rng(0)
    episode = layout.Episode(
        rng.random((steps + 1, sum(task.sizes.values())), np.float32),
        *(rng.random((steps, layout.N_ACTIONS), np.float32) for _ in range(2)),
        *(rng.random(steps, np.float32) for _ in range(3)),
    )
    statistics = Statistics.of(episode).published()
    metrics = layout.EpisodeMetrics(*np.full((4, n_episodes), steps), np.zeros(n_episodes, bool))
    folder.mkdir()
    for number in range(n_files):
        with h5py.File(folder / f"{number:03d}.hdf5", "w") as file:
            layout.write_header(file, task.sizes, (1, 2, 3, 4, 5), n_episodes, 0)
            for snippet in range(number * n_snippets, (number + 1) * n_snippets):
                name = f"clip_{snippet:03d}-0-200"
                for k in range(n_episodes):
                    layout.write_episode(file, name, k, episode)
                layout.write_metrics(file, name, n_episodes, metrics)
            layout.write_statistics(file, statistics)
    return sorted(folder.iterdir())


class Published:
    """Reads an item at a time, and opens its file for it."""

    def __init__(self, paths: list[Path], policy: str):
        observables, self.sequence = POLICIES[policy]
        self.episodes: list[tuple[Path, str]] = []
        self.ends = [0]
        for path in paths:
            with h5py.File(path) as file:
                indices = file["observable_indices/walker"]
                self.columns = np.concatenate([indices[name][()] for name in observables])
                for snippet in layout.snippet_names(file):
                    for k, steps in enumerate(layout.episode_lengths(file, snippet)):
                        self.episodes.append((path, f"{snippet}/{k}"))
                        self.ends.append(self.ends[-1] + int(steps) - self.sequence + 1)

    def __getitem__(self, item: int) -> tuple[np.ndarray, ...]:
        number = bisect_right(self.ends, item) - 1
        path, name = self.episodes[number]
        begin = item - self.ends[number]
        part = slice(begin, begin + self.sequence)
        with h5py.File(path, "r") as file:
            episode = file[name]
            observations = episode[layout.PROPRIOCEPTIVE][part][:, self.columns]
            return observations, *(episode[array][part] for array in ARRAYS)

    def batch(self, rng: np.random.Generator) -> None:
        items = [self[item] for item in rng.integers(self.ends[-1], size=BATCH).tolist()]
        self.last = [np.stack(arrays) for arrays in zip(*items, strict=True)]


class Ours:
    """Batches of a dataset of which every episode was drawn before, and compared with the published way."""

    def __init__(self, paths: list[Path], policy: str, metrics: Path, share: float, pack: bool):
        """Args: share: of the files that may be in memory."""
        mapping.RESIDENT_BYTES = int(share * sum(path.stat().st_size for path in paths))
        observables, sequence = POLICIES[policy]
        self.dataset = RolloutDataset(
            paths, metrics, None, observables, sequence, scratch=paths[0].parent, pack=pack
        )
        self.last: Batch | None = None
        published = Published(paths, policy)
        arrays = self.dataset.empty(1, sequence, [*self.dataset.parts, *ARRAYS])
        for number in range(len(self.dataset.index.steps)):
            first = published.ends[number + 1] - published.ends[number] - 1
            self.dataset.gather(np.array([number]), np.array([first]), arrays)
            for array, expected in zip(
                arrays.values(), published[published.ends[number] + first], strict=True
            ):
                np.testing.assert_array_equal(array[0], expected)

    def batch(self, rng: np.random.Generator) -> None:
        self.last = self.dataset.batch(rng, BATCH, out=self.last)


def serve(connection: Connection, kind: type[Published] | type[Ours], arguments: tuple) -> None:
    """In a process of its own: make a reader, then read as many batches as are asked for."""
    before = mapping.resident()
    reader = kind(*arguments)
    rng, most = np.random.default_rng(1), 0
    connection.send(None)
    while n := connection.recv():
        began = time.process_time()
        for _ in range(n):
            reader.batch(rng)
            most = max(most, mapping.resident() - before)
        connection.send(((time.process_time() - began) / n, most))


def measure(contenders: dict[str, tuple], rounds: int) -> dict[str, np.ndarray]:
    """(rounds, 2) of each: CPU seconds a batch, and bytes of files in memory at most."""
    context = multiprocessing.get_context("spawn")
    pipes, results = {}, {name: [] for name in contenders}
    for name, (kind, *arguments) in contenders.items():
        pipes[name], end = context.Pipe()
        context.Process(target=serve, args=(end, kind, arguments), daemon=True).start()
        pipes[name].recv()
    for _ in range(rounds):
        for name, pipe in pipes.items():
            pipe.send(1 if "published" in name else 8)
            results[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(0)
    return {name: np.array(result) for name, result in results.items()}


def compare(files: dict[str, list[Path]], metrics: Path, policy: str, rounds: int) -> None:
    contenders: dict[str, tuple] = {}
    for name, paths in files.items():
        contenders |= {
            f"{name}, published": (Published, paths, policy),
            f"{name}, mapped": (Ours, paths, policy, metrics, 2, False),
            f"{name}, bounded": (Ours, paths, policy, metrics, 1 / 8, False),
            f"{name}, packed": (Ours, paths, policy, metrics, 1 / 8, True),
        }
    results = measure(contenders, rounds)
    size = sum(path.stat().st_size for path in paths) / 1e9
    print(
        f"\n{policy}: {len(POLICIES[policy][0])} observables, {POLICIES[policy][1]} steps; {size:.2f} GB of files"
    )
    for name, result in results.items():
        times, published = result[:, 0], results[f"{name.split(',')[0]}, published"][:, 0]
        print(
            f"  {name:20} {1e3 * np.median(times):6.1f} ms a batch {BATCH / np.median(times):8.0f} sequences/s "
            f"{np.median(published / times):5.1f} times {result[:, 1].max() / 1e9:6.2f} GB in memory",
            flush=True,
        )


def open_many(folder: Path, metrics: Path) -> None:
    """Start-up with many files of many episodes."""
    paths = write_files(folder, EPISODES, 1, 60, 2)
    wall, cpu = time.perf_counter(), time.process_time()
    dataset = RolloutDataset(paths, metrics, None, HIGH_LEVEL, 1)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"\n{len(paths)} files, {len(dataset.index.steps)} episodes: open in {wall:.1f} s ({cpu:.1f} s of CPU)"
    )
    rng = np.random.default_rng(0)
    for number in ("first", "second", "third"):
        began = time.process_time()
        dataset.batch(rng, BATCH)
        print(f"  {number} batch: {1e3 * (time.process_time() - began):.0f} ms of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=120, help="of an episode")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="where to put a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        files = {
            f"{n} files": write_files(folder / str(n), n, EPISODES // n, 1, arguments.steps)
            for n in (20, EPISODES)
        }
        metrics = write_dataset_metrics(files["20 files"], folder / "metrics")
        for policy in POLICIES:
            compare(files, metrics, policy, arguments.rounds)
        for path in (*files["20 files"], *files[f"{EPISODES} files"]):
            path.unlink()
        open_many(folder / "short", metrics)


if __name__ == "__main__":
    main()
