from mocapact_core.clips.snippets import write_table
from mocapact_core.clips.sources import plan
from mocapact_core.job import job

with job(snakemake) as settings:
    write_table(snakemake.output.table, plan(settings.clips, settings.tracking).snippets)
