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
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        settings=values("seed", "tracking", "rollouts"),
        snippets=lambda wildcards: " ".join(SNIPPETS_OF_CLIP[wildcards.clip]),
        code=code("collect_rollouts"),
    script:
        "../workflow_scripts/collect_rollouts.py"


rule compute_dataset_metrics:
    input:
        rollouts=expand(rules.collect_rollouts.output.rollouts, clip=CLIPS),
    output:
        metrics=results("rollouts/dataset_metrics.npz"),
    log:
        results("logs/compute_dataset_metrics.log"),
    benchmark:
        results("benchmarks/compute_dataset_metrics.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        settings=values(),
        code=code("compute_dataset_metrics"),
    script:
        "../workflow_scripts/compute_dataset_metrics.py"


rule rollouts:
    input:
        rules.compute_dataset_metrics.input.rollouts,
        rules.compute_dataset_metrics.output.metrics,
