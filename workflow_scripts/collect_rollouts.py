from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.job import job
from mocapact_core.rollouts.collect import collect_rollouts

with job(snakemake) as settings:
    collect_rollouts(
        Path(snakemake.input.clip),
        [parse_snippet(name) for name in snakemake.params.snippets.split()],
        Path(snakemake.input.info[0]).parent.parent,
        Path(snakemake.output.rollouts),
        settings.rollouts,
        settings.tracking,
        settings.seed,
    )
