"""Where a result comes from: recorded in the result, and equal wherever and whenever that is made again.

So there is no time, machine or place in it. Files are named by their content; what they were made from
stands in their own provenance. How long a job took is in Snakemake's benchmarks.
"""

import json
from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike
from typing import Any

from mocapact_core.files import sha256
from mocapact_core.settings import Settings

PACKAGES = ("dm_control", "mujoco", "numpy", "stable-baselines3", "torch")
"""Packages whose versions can change results."""


def provenance(
    settings: Mapping[str, Any], inputs: Mapping[str, str | PathLike | None], seed: int | None = None
) -> dict[str, Any]:
    """What shaped a result, as plain JSON: `settings`, `inputs` (sha256 of each), `versions` and `seed`.

    Args:
        settings: sections of the configuration, or single values of one, by name.
        inputs: the files that were read, by what they are; those that are None are left out.
        seed: None where nothing is random.
    """
    record: dict[str, Any] = {
        "settings": {
            name: value.model_dump(mode="json") if isinstance(value, Settings) else value
            for name, value in settings.items()
        },
        "inputs": {name: sha256(path) for name, path in inputs.items() if path is not None},
        "versions": {package: version(package) for package in PACKAGES},
    }
    return record if seed is None else {**record, "seed": seed}


def as_text(record: Mapping[str, Any]) -> str:
    """A provenance as one line of JSON, for files that hold no JSON themselves."""
    return json.dumps(record, sort_keys=True)
