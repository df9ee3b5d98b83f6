from mocapact_core.clips.sources import write_clip
from mocapact_core.job import job

with job(snakemake) as settings:
    write_clip(settings.clips, snakemake.wildcards.clip, snakemake.output.clip)
