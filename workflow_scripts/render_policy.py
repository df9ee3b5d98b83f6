from pathlib import Path

from mocapact_core.figures.policy_playback import play_policy
from mocapact_core.figures.videos import write_all
from mocapact_core.job import job

with job(snakemake) as settings:
    motion, policy = snakemake.wildcards.motion, snakemake.wildcards.policy
    playback = play_policy(
        snakemake.input.clip, motion, Path(snakemake.input.policy).parent, settings.tracking
    )
    write_all(playback, Path(snakemake.output.video).with_suffix(""), f"Policy {policy} on {motion}")
