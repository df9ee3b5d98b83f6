"""The dataset: noisy episodes of the experts, a file a clip, and statistics over all of them."""


rule collect_rollouts:
    input:
        clip=rules.extract_clip.output.clip,
        info=of_clip(rules.train_expert.output.info),
        models=of_clip(rules.train_expert.output.model),
        normalizers=of_clip(rules.train_expert.output.normalizer),
    output:
        rollouts=results("rollouts/{clip}.hdf5"),
    log:
        results("logs/collect_rollouts/{clip}.log"),
    benchmark:
        results("benchmarks/collect_rollouts/{clip}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.rollouts.threads
    resources:
        cpus_per_task=settings.rollouts.threads,
        mem_mb=growing(3000),
        runtime=minutes(120),
    params:
        settings=values("seed", "tracking", *COLLECTION),
        unrecorded=unrecorded("rollouts.threads"),
        snippets=lambda wildcards: " ".join(SNIPPETS_OF_CLIP[wildcards.clip]),
        code=code("collect_rollouts"),
    script:
        "../workflow_scripts/collect_rollouts.py"


rule restore_rollouts:
    input:
        rollouts=rules.collect_rollouts.output.rollouts,
        clip=rules.extract_clip.output.clip,
    output:
        rollouts=temp(results("rollouts/restored/{clip}.hdf5")),
    log:
        results("logs/restore_rollouts/{clip}.log"),
    benchmark:
        results("benchmarks/restore_rollouts/{clip}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes(60),
    params:
        settings=values(),
        code=code("restore_rollouts"),
    script:
        "../workflow_scripts/restore_rollouts.py"


rule measure_rollouts:
    input:
        rollouts=FULL_ROLLOUTS,
    output:
        metrics=results("rollouts/metrics/{clip}.npz"),
    log:
        results("logs/measure_rollouts/{clip}.log"),
    benchmark:
        results("benchmarks/measure_rollouts/{clip}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes(60),
    params:
        settings=values(),
        code=code("measure_rollouts"),
    script:
        "../workflow_scripts/measure_rollouts.py"


rule compute_dataset_metrics:
    input:
        metrics=of_clips(rules.measure_rollouts.output.metrics),
    output:
        metrics=results("rollouts/metrics.npz"),
        published=results("rollouts/dataset_metrics.npz"),
    log:
        results("logs/compute_dataset_metrics.log"),
    benchmark:
        results("benchmarks/compute_dataset_metrics.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=minutes(120),
    params:
        settings=values(),
        code=code("compute_dataset_metrics"),
    script:
        "../workflow_scripts/compute_dataset_metrics.py"


rule write_data_card:
    input:
        rollouts=of_clips(rules.collect_rollouts.output.rollouts),
    output:
        card=results("rollouts/README.md"),
    log:
        results("logs/write_data_card.log"),
    benchmark:
        results("benchmarks/write_data_card.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes(30),
    params:
        settings=values(),
        code=code("write_data_card"),
    script:
        "../workflow_scripts/write_data_card.py"


rule rollouts:
    input:
        of_clips(rules.collect_rollouts.output.rollouts),
        rules.compute_dataset_metrics.input.metrics,
        rules.compute_dataset_metrics.output,
        rules.write_data_card.output,
