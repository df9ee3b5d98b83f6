from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.figures.videos import render_expert, write_page
from mocapact_core.job import job

with job(snakemake) as settings:
    render_expert(
        Path(snakemake.input.clip),
        parse_snippet(snakemake.wildcards.snippet),
        Path(snakemake.input.info).parent,
        Path(snakemake.output.video),
        settings.tracking,
    )
    write_page(snakemake.output.video, snakemake.output.page, f"Expert of {snakemake.wildcards.snippet}")
