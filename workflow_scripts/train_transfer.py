from pathlib import Path

from mocapact_core.finished import give_back, keep
from mocapact_core.job import job
from mocapact_core.transfer.train import train_transfer

with job(snakemake) as settings:
    if not give_back(snakemake):
        train_transfer(
            snakemake.wildcards.task,
            settings.transfer.low_level[snakemake.wildcards.low_level],
            Path(snakemake.input.policy[0]).parent if snakemake.input.policy else None,
            Path(snakemake.output.model).parent,
            settings.transfer,
            int(snakemake.wildcards.seed),
            Path(snakemake.input.stand[0]) if snakemake.input.stand else None,
        )
        keep(snakemake)
