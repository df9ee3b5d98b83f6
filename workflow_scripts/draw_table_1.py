from pathlib import Path

from mocapact_core.figures.table_1 import draw
from mocapact_core.job import job

with job(snakemake):
    draw(snakemake.input.experts, Path(snakemake.output.data).with_suffix(""))
