from pathlib import Path

from mocapact_core.figures.figure_8 import draw
from mocapact_core.job import job

with job(snakemake):
    draw(
        snakemake.input.completion,
        snakemake.params.trained_on.split(),
        Path(snakemake.output.data).with_suffix(""),
    )
