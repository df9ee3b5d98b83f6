"""What Snakemake 9.27 works out anew for each job or file is remembered, so that planning ten thousand jobs takes less.

- Which rules make a file, for each job that takes it.
- The parameters of input functions, by Python's `inspect.signature`, at every call of every one.
- The text of a script, and what kind of address its path is, for each of its jobs.
- The checksums of a job's input: each file is read once for each output of the job, and again for the next job that
  reads it. With the terabyte of the paper's rollouts and six files of each policy, that is a hundred times.
"""

import functools
import os
from typing import Any


def remember() -> None:
    """Let Snakemake remember."""
    from snakemake import (
        common,
        jobs,
        output_index,
        rules,
        script,
        sourcecache,
    )  # not above: not its first modules
    from snakemake.io import _IOFile

    if hasattr(_IOFile.checksum, "__wrapped__"):
        return
    index = output_index.OutputIndex
    index.match_producers = functools.cache(index.match_producers)
    parameters = functools.cache(common.get_function_params)
    for module in (common, jobs, rules):
        module.get_function_params = parameters
    script.get_source = once_a_script(script.get_source)
    sourcecache.parse_uri = functools.cache(sourcecache.parse_uri)
    _IOFile.checksum = once_a_content(_IOFile.checksum)


def once_a_script(get_source: Any) -> Any:
    """Snakemake's reading of scripts, of each one once; those with wildcards in their names are others for each job."""
    known: dict[tuple[str, str], Any] = {}

    @functools.wraps(get_source)
    def remembered(path: Any, sourcecache: Any, basedir: Any = None, *job: Any) -> Any:
        key = str(path), str(basedir)
        if "{" in key[0]:
            return get_source(path, sourcecache, basedir, *job)
        if key not in known:
            known[key] = get_source(path, sourcecache, basedir, *job)
        return known[key]

    return remembered


def once_a_content(checksum: Any) -> Any:
    """Snakemake's method of a file, which answers from memory as long as time and size of the file stay."""
    known: dict[tuple, str | None] = {}

    @functools.wraps(checksum)
    async def remembered(file: Any, *arguments: Any, **keywords: Any) -> str | None:
        try:
            seen = os.stat(file)
        except OSError:
            return await checksum(file, *arguments, **keywords)
        state = seen.st_ino, seen.st_mtime_ns, seen.st_size
        key = (str(file), state, arguments, tuple(sorted(keywords.items())))
        if key not in known:
            known[key] = await checksum(file, *arguments, **keywords)
        return known[key]

    return remembered
