"""Seeds of independent random streams, all derived from the one seed of the configuration."""

import hashlib
import json

import numpy as np


def derived_seed(*parts: int | str) -> int:
    """A seed that depends on all `parts`, such as (seed, snippet, purpose), and is as good as independent of others.

    (numpy alone does not separate streams by their order: `default_rng([seed, 0])` and `default_rng(seed)` agree.)
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4])


def random_state(generator: np.random.Generator) -> str:
    """The state of a random stream as text, for `generator_at`."""
    return json.dumps(generator.bit_generator.state)


def generator_at(state: str) -> np.random.Generator:
    """A random stream that goes on from a state."""
    generator = np.random.default_rng(0)
    generator.bit_generator.state = json.loads(state)
    return generator
