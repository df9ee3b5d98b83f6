from pathlib import Path

from mocapact_core.experts.evaluation_table import write_table
from mocapact_core.job import job

with job(snakemake):
    write_table(Path(snakemake.output.table), [Path(path) for path in snakemake.input.evaluations])
