from pathlib import Path

from mocapact_core.job import job
from mocapact_core.rollouts.metrics import merge_metrics

with job(snakemake):
    merge_metrics(
        [Path(path) for path in snakemake.input.metrics],
        Path(snakemake.output.metrics),
        Path(snakemake.output.published),
    )
