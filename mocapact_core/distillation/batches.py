"""The batches of a training, each drawn while the step before it runs."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mocapact_core.rollouts.dataset import Batch, RolloutDataset


class Batches:
    """Draws a batch for each gradient step from the seed and the number of the step alone.

    A thread draws the next one meanwhile: copying leaves Python to others. The memory of two batches is used
    in turn, so that a batch is only good until the one after it is asked for.

    Args:
        size: sequences of a batch.
        steps: numbers of the gradient steps.
    """

    def __init__(self, dataset: RolloutDataset, size: int, seed: int, steps: range):
        self._dataset, self._size, self._seed, self._steps = dataset, size, seed, steps
        self._thread = ThreadPoolExecutor(1)
        self.waited = 0.0
        """Seconds that batches were waited for."""

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        """Of each step, a seed for what is random in the network, and the batch."""
        memory: dict[int, Batch | None] = {0: None, 1: None}
        if not self._steps:
            return
        coming = self._thread.submit(self._draw, self._steps[0], None)
        for step in self._steps:
            began = time.perf_counter()
            seed, batch = coming.result()
            self.waited += time.perf_counter() - began
            memory[step % 2] = batch
            if step != self._steps[-1]:
                coming = self._thread.submit(self._draw, step + 1, memory[(step + 1) % 2])
            yield seed, batch

    def _draw(self, step: int, memory: Batch | None) -> tuple[int, Batch]:
        rng = np.random.default_rng([self._seed, step])
        return int(rng.integers(2**63)), self._dataset.batch(rng, self._size, out=memory)
