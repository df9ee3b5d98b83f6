"""Seeds of independent random streams, all derived from the one seed of the configuration."""

import hashlib


def derived_seed(*parts: int | str) -> int:
    """A seed that depends on all `parts`, such as (seed, snippet, purpose), and is as good as independent of others.

    (numpy alone does not separate streams by their order: `default_rng([seed, 0])` and `default_rng(seed)` agree.)
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4])
