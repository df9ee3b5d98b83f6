from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.figures.playback import play_completion
from mocapact_core.figures.videos import write_all
from mocapact_core.job import job

with job(snakemake):
    snippet = snakemake.wildcards.snippet
    playback = play_completion(snakemake.input.clip, parse_snippet(snippet), Path(snakemake.input.completion))
    write_all(playback, Path(snakemake.output.video).with_suffix(""), f"Motion completion from {snippet}")
