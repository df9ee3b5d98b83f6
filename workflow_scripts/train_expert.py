from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.experts.train import train_expert
from mocapact_core.finished import give_back, keep
from mocapact_core.job import job

with job(snakemake) as settings:
    if not give_back(snakemake):
        train_expert(
            Path(snakemake.input.clip),
            parse_snippet(snakemake.wildcards.snippet),
            Path(snakemake.output.info).parent,
            settings.experts,
            settings.tracking,
            settings.seed,
        )
        keep(snakemake)
