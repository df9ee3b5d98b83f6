"""Reference motion: a file of each clip and one of all, and the table of snippets."""


rule split_clips:
    output:
        table=results("clips/snippets.tsv"),
    log:
        results("logs/split_clips.log"),
    benchmark:
        results("benchmarks/split_clips.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes(10),
    params:
        settings=unrecorded("clips", "tracking"),
        snippets=digest(" ".join(SNIPPETS)),
        code=code("split_clips"),
    script:
        "../workflow_scripts/split_clips.py"


rule download_archive:
    output:
        receipt=results("clips/archive.txt"),
    log:
        results("logs/download_archive.log"),
    benchmark:
        results("benchmarks/download_archive.tsv")
    localrule: True
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes(120),
    params:
        settings=unrecorded("clips.path"),
    script:
        "../workflow_scripts/download_archive.py"


rule extract_clip:
    input:
        source=clip_source,
    output:
        clip=results("clips/{clip}.h5"),
    log:
        results("logs/extract_clip/{clip}.log"),
    benchmark:
        results("benchmarks/extract_clip/{clip}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes(10),
    params:
        settings=unrecorded(
            "clips.source", "clips.path", "clips.frame_rates", "clips.leg_lengths"
        ),
        content=clip_content,
        code=code("extract_clip"),
    script:
        "../workflow_scripts/extract_clip.py"


rule gather_clips:
    input:
        clips=of_clips(rules.extract_clip.output.clip),
    output:
        clips=results("clips/all.hdf5"),
    log:
        results("logs/gather_clips.log"),
    benchmark:
        results("benchmarks/gather_clips.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes(30),
    params:
        code=code("gather_clips"),
    script:
        "../workflow_scripts/gather_clips.py"


rule clips:
    input:
        rules.split_clips.output,
        of_clips(rules.extract_clip.output),
        rules.gather_clips.output,
