from pathlib import Path

from mocapact_core.job import job
from mocapact_core.rollouts.card import write_card

with job(snakemake):
    write_card([Path(path) for path in snakemake.input.rollouts], Path(snakemake.output.card))
