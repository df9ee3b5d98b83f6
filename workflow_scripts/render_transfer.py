from pathlib import Path

from mocapact_core.figures.transfer_playback import play_transfer
from mocapact_core.figures.videos import write_all
from mocapact_core.job import job

with job(snakemake) as settings:
    task, low_level = snakemake.wildcards.task, snakemake.wildcards.low_level
    playback = play_transfer(
        task,
        settings.transfer.low_level[low_level],
        Path(snakemake.input.policy[0]).parent if snakemake.input.policy else None,
        Path(snakemake.input.model).parent,
        settings.transfer,
        Path(snakemake.input.stand[0]) if snakemake.input.stand else None,
    )
    title = f"{task.replace('_', ' ').capitalize()}, low-level policy: {low_level}"
    write_all(playback, Path(snakemake.output.video).with_suffix(""), title)
