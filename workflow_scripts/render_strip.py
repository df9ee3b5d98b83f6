from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.figures.strip import draw
from mocapact_core.job import job

with job(snakemake) as settings:
    draw(
        Path(snakemake.input.clip),
        parse_snippet(snakemake.wildcards.snippet),
        Path(snakemake.input.info).parent,
        Path(snakemake.output.strip),
        settings.tracking,
    )
