from pathlib import Path

from mocapact_core.figures.table_2 import draw
from mocapact_core.job import job

with job(snakemake):
    draw(snakemake.input.policies, snakemake.params.weightings, Path(snakemake.output.data).with_suffix(""))
