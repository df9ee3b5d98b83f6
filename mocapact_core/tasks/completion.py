"""Motion completion: the humanoid begins in a frame of a snippet and goes on from there until it falls.

Source: MoCapAct section 5.2. There is nothing to track and no reward. The released code also ends an episode
when the tracking error is large; the paper does not, and neither does this.
"""

from collections.abc import Sequence

import numpy as np

from mocapact_core.humanoid.observables import HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.humanoid.physics import State
from mocapact_core.tasks.contact import nonfoot_contact
from mocapact_core.tasks.references import References
from mocapact_core.tasks.task import ALL, Step, Task, Worlds


class CompletionTask(Task):
    """N worlds that end when anything but a foot touches the floor.

    Args:
        references: the snippets to begin in.
    """

    def __init__(
        self,
        references: References,
        n_worlds: int,
        observables: Sequence[str] = HIGH_LEVEL_SANS_REFERENCE,
        n_threads: int = 1,
        seed: int = 0,
    ):
        super().__init__(n_worlds, observables, n_threads, seed)
        self.references = references
        self.reset()

    def reset(self, worlds: Worlds = ALL) -> None:
        """Begin in any frame of any snippet, all equally likely."""
        worlds = np.arange(self.n_worlds)[worlds]
        self._place(worlds, self.rng.integers(len(self.references.qpos), size=len(worlds)))

    def start(self, worlds: Worlds, snippets: np.ndarray, steps: np.ndarray) -> None:
        """Begin at given steps (n,) of given snippets (n,), counted from the snippet's start."""
        self._place(np.arange(self.n_worlds)[worlds], self.references.offsets[snippets] + steps)

    def after_step(self, state: State) -> Step:
        nothing = np.zeros(state.n)
        return Step(nothing, nonfoot_contact(state), nothing.astype(bool))

    def _place(self, worlds: np.ndarray, rows: np.ndarray) -> None:
        self.physics.place(worlds, self.references.qpos[rows], self.references.qvel[rows])
