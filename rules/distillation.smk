"""Policies learned from the dataset: multi-clip tracking policies, and a GPT that continues motions."""


rule distill_policy:
    input:
        rollouts=of_clips_of_policy(FULL_ROLLOUTS),
        metrics=rules.compute_dataset_metrics.output.metrics,
        clips=rules.gather_clips.output.clips,
    output:
        policy=results("distillation/{policy}/{seed}/policy.json"),
        model=results("distillation/{policy}/{seed}/model.safetensors"),
        last_policy=results("distillation/{policy}/{seed}/last/policy.json"),
        last_model=results("distillation/{policy}/{seed}/last/model.safetensors"),
        progress=results("distillation/{policy}/{seed}/progress.csv"),
        validation=results("distillation/{policy}/{seed}/validation.csv"),
    log:
        results("logs/distill_policy/{policy}/{seed}.log"),
    benchmark:
        results("benchmarks/distill_policy/{policy}/{seed}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.distillation.threads
    resources:
        cpus_per_task=settings.distillation.threads,
        mem_mb=growing(8000),
        runtime=policy_minutes,
        gres=gpu,
    params:
        settings=lambda wildcards: values(
            "tracking", "distillation.threads", *policy_training(wildcards.policy)
        ),
        snippets=lambda wildcards: " ".join(SNIPPETS_OF_POLICY[wildcards.policy]),
        validation=lambda wildcards: " ".join(VALIDATION_OF_POLICY[wildcards.policy]),
        code=code("distill_policy"),
    script:
        "../workflow_scripts/distill_policy.py"


rule evaluate_policy:
    input:
        policy=rules.distill_policy.output.policy,
        model=rules.distill_policy.output.model,
        clips=rules.gather_clips.output.clips,
    output:
        summary=results("distillation/{policy}/{seed}/evaluation.json"),
        episodes=results("distillation/{policy}/{seed}/evaluation.npz"),
        clips=results("distillation/{policy}/{seed}/evaluation_clips.npz"),
    log:
        results("logs/evaluate_policy/{policy}/{seed}.log"),
    benchmark:
        results("benchmarks/evaluate_policy/{policy}/{seed}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.distillation.threads
    resources:
        cpus_per_task=settings.distillation.threads,
        mem_mb=growing(8000),
        runtime=minutes(120),
    params:
        settings=values(
            "seed",
            "tracking",
            "distillation.evaluation_episodes",
            "distillation.evaluation_noise",
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
        clips=rules.gather_clips.output.clips,
        info=of_snippets(rules.train_expert.output.info),
        models=of_snippets(rules.train_expert.output.model),
        normalizers=of_snippets(rules.train_expert.output.normalizer),
    output:
        summary=results("distillation/{policy}/{seed}/completion.json"),
        episodes=results("distillation/{policy}/{seed}/completion.npz"),
    log:
        results("logs/complete_motion/{policy}/{seed}.log"),
    benchmark:
        results("benchmarks/complete_motion/{policy}/{seed}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.distillation.threads
    resources:
        cpus_per_task=settings.distillation.threads,
        mem_mb=growing(8000),
        runtime=completion_minutes,
    params:
        settings=values(
            "tracking",
            "distillation.completion_steps",
            "distillation.completions_per_snippet",
            "distillation.window_stride",
            "distillation.workers",
            "distillation.threads",
        ),
        snippets=" ".join(SNIPPETS),
        trained_on=lambda wildcards: " ".join(SNIPPETS_OF_POLICY[wildcards.policy]),
        code=code("complete_motion"),
    script:
        "../workflow_scripts/complete_motion.py"


rule distillation:
    input:
        policy_runs(rules.distill_policy.output, settings.distillation.policies),
        policy_runs(rules.evaluate_policy.output, policies(MultiClipSettings)),
        policy_runs(rules.complete_motion.output, policies(GPTSettings)),
