from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.distillation.complete_motions import complete_motions
from mocapact_core.finished import forget
from mocapact_core.job import job

with job(snakemake) as settings:
    forget(snakemake)
    complete_motions(
        Path(snakemake.input.policy).parent,
        [Path(snakemake.input.clips)],
        [parse_snippet(name) for name in snakemake.params.snippets.split()],
        Path(snakemake.input.info[0]).parent.parent,
        Path(snakemake.output.episodes),
        Path(snakemake.output.summary),
        settings.distillation,
        settings.tracking,
        int(snakemake.wildcards.seed),
        snakemake.params.trained_on.split(),
    )
