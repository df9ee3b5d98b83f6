from pathlib import Path

from mocapact_core.job import job
from mocapact_core.rollouts.statistics import write_dataset_metrics

with job(snakemake):
    write_dataset_metrics([Path(path) for path in snakemake.input.rollouts], Path(snakemake.output.metrics))
