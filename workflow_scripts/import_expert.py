from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.experts.interchange import import_expert
from mocapact_core.job import job

with job(snakemake):
    import_expert(
        Path(snakemake.input.info).parent,
        parse_snippet(snakemake.wildcards.snippet),
        Path(snakemake.output.info).parent,
    )
