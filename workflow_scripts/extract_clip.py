from mocapact_core.clips.sources import extract
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.job import job

with job(snakemake) as settings:
    write_trajectory(snakemake.output.clip, extract(settings.clips, snakemake.wildcards.clip))
