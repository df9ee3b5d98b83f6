from pathlib import Path

from mocapact_core.finished import forget
from mocapact_core.job import job
from mocapact_core.transfer.evaluate import evaluate_transfer

with job(snakemake) as settings:
    forget(snakemake)
    evaluate_transfer(
        snakemake.wildcards.task,
        settings.transfer.low_level[snakemake.wildcards.low_level],
        Path(snakemake.input.policy[0]).parent if snakemake.input.policy else None,
        Path(snakemake.input.model).parent,
        Path(snakemake.output.summary),
        settings.transfer,
        int(snakemake.wildcards.seed),
        Path(snakemake.input.stand[0]) if snakemake.input.stand else None,
    )
