from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.distillation.completion import complete_motions
from mocapact_core.job import job

with job(snakemake) as settings:
    complete_motions(
        Path(snakemake.input.policy).parent,
        [Path(path) for path in snakemake.input.clips],
        [parse_snippet(name) for name in snakemake.params.snippets.split()],
        Path(snakemake.input.info[0]).parent.parent,
        Path(snakemake.output.episodes),
        Path(snakemake.output.summary),
        settings.distillation,
        settings.tracking,
        settings.seed,
    )
