from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.experts.evaluate import evaluate_expert
from mocapact_core.finished import forget
from mocapact_core.job import job

with job(snakemake) as settings:
    forget(snakemake)
    evaluate_expert(
        Path(snakemake.input.clip),
        parse_snippet(snakemake.wildcards.snippet),
        Path(snakemake.output.summary).parent,
        settings.evaluation,
        settings.tracking,
        settings.seed,
    )
