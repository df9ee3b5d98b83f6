from pathlib import Path

from mocapact_core.job import job
from mocapact_core.rollouts.measure import measure_rollouts

with job(snakemake):
    measure_rollouts(Path(snakemake.input.rollouts), Path(snakemake.output.metrics))
