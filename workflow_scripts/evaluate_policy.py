from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.distillation.evaluate import evaluate_policy
from mocapact_core.finished import forget
from mocapact_core.job import job

with job(snakemake) as settings:
    forget(snakemake)
    evaluate_policy(
        Path(snakemake.input.policy).parent,
        [Path(snakemake.input.clips)],
        [parse_snippet(name) for name in snakemake.params.snippets.split()],
        Path(snakemake.output.summary).parent,
        settings.distillation,
        settings.tracking,
        settings.seed,
    )
