from mocapact_core.clips.cmu import ARCHIVE, NAME, fetch_archive
from mocapact_core.files import write_text
from mocapact_core.job import job

with job(snakemake) as settings:
    fetch_archive(settings.clips.path)
    write_text(snakemake.output.receipt, f"{ARCHIVE.sha256}  {NAME}\n")
