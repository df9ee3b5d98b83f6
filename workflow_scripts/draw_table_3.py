from pathlib import Path

from mocapact_core.figures.table_3 import draw
from mocapact_core.job import job

with job(snakemake):
    draw(snakemake.input.evaluations, Path(snakemake.output.data).with_suffix(""))
