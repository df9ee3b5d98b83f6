"""Policies learned from the dataset: multi-clip tracking policies, and a GPT that continues motions."""


rule distill_policy:
    input:
        rollouts=rollouts_of_policy,
        metrics=rules.compute_dataset_metrics.output.metrics,
    output:
        policy=results("distillation/{policy}/policy.json"),
        model=results("distillation/{policy}/model.safetensors"),
        progress=results("distillation/{policy}/progress.csv"),
    log:
        results("logs/distill_policy/{policy}.log"),
    benchmark:
        results("benchmarks/distill_policy/{policy}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.distillation.threads
    resources:
        cpus_per_task=settings.distillation.threads,
        mem_mb=growing(8000),
        runtime=lambda wildcards, attempt: attempt
        * (10 + settings.distillation.policies[wildcards.policy].gradient_steps // 60),
    params:
        settings=lambda wildcards: values(
            "seed",
            "tracking",
            "distillation.threads",
            f"distillation.policies.{wildcards.policy}",
        ),
        snippets=lambda wildcards: " ".join(SNIPPETS_OF_POLICY[wildcards.policy]),
        code=code("distill_policy"),
    script:
        "../workflow_scripts/distill_policy.py"


rule evaluate_policy:
    input:
        policy=rules.distill_policy.output.policy,
        model=rules.distill_policy.output.model,
        clips=expand(rules.extract_clip.output.clip, clip=CLIPS),
    output:
        summary=results("distillation/{policy}/evaluation.json"),
        episodes=results("distillation/{policy}/evaluation.npz"),
    log:
        results("logs/evaluate_policy/{policy}.log"),
    benchmark:
        results("benchmarks/evaluate_policy/{policy}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.distillation.threads
    resources:
        cpus_per_task=settings.distillation.threads,
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        settings=values(
            "seed",
            "tracking",
            "distillation.evaluation_episodes",
            "distillation.workers",
            "distillation.threads",
        ),
        snippets=" ".join(SNIPPETS),
        code=code("evaluate_policy"),
    script:
        "../workflow_scripts/evaluate_policy.py"


rule complete_motion:
    input:
        policy=rules.distill_policy.output.policy,
        model=rules.distill_policy.output.model,
        clips=expand(rules.extract_clip.output.clip, clip=CLIPS),
        info=expand(rules.train_expert.output.info, snippet=SNIPPETS),
        models=expand(rules.train_expert.output.model, snippet=SNIPPETS),
        normalizers=expand(rules.train_expert.output.normalizer, snippet=SNIPPETS),
    output:
        summary=results("distillation/{policy}/completion.json"),
        episodes=results("distillation/{policy}/completion.npz"),
    log:
        results("logs/complete_motion/{policy}.log"),
    benchmark:
        results("benchmarks/complete_motion/{policy}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.distillation.threads
    resources:
        cpus_per_task=settings.distillation.threads,
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        settings=values(
            "seed",
            "tracking",
            "distillation.completion_steps",
            "distillation.completions_per_snippet",
            "distillation.workers",
            "distillation.threads",
        ),
        snippets=" ".join(SNIPPETS),
        code=code("complete_motion"),
    script:
        "../workflow_scripts/complete_motion.py"


rule distillation:
    input:
        expand(rules.distill_policy.output, policy=settings.distillation.policies),
        expand(rules.evaluate_policy.output, policy=policies(MultiClipSettings)),
        expand(rules.complete_motion.output, policy=policies(GPTSettings)),
