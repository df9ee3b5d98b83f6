from pathlib import Path

from mocapact_core.job import job
from mocapact_core.rollouts.restore import restore_file

with job(snakemake):
    restore_file(Path(snakemake.input.rollouts), Path(snakemake.input.clip), Path(snakemake.output.rollouts))
