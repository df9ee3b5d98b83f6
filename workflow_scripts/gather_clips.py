from mocapact_core.clips.trajectory import gather_clips
from mocapact_core.job import job

with job(snakemake):
    gather_clips(snakemake.input.clips, snakemake.output.clips)
