"""One expert a snippet: from a zoo or trained, and evaluated with and without noise."""


# What the zoo has is not trained.
ruleorder: import_expert > train_expert


rule import_expert:
    input:
        info=lambda wildcards: f"{ZOO[wildcards.snippet]}/{CLIP_INFO}",
        files=files_of(ZOO),
    output:
        info=results("experts/{snippet}/clip_info.json"),
        model=results("experts/{snippet}/eval_rsi/model/best_model.zip"),
        normalizer=results("experts/{snippet}/eval_rsi/model/vecnormalize.pkl"),
        weights=results("experts/{snippet}/expert.safetensors"),
        description=results("experts/{snippet}/expert.json"),
    log:
        results("logs/import_expert/{snippet}.log"),
    benchmark:
        results("benchmarks/import_expert/{snippet}.tsv")
    wildcard_constraints:
        snippet=one_of(ZOO),
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes(10),
    params:
        code=code("import_expert"),
    script:
        "../workflow_scripts/import_expert.py"


rule train_expert:
    input:
        clip=clip_of_snippet,
        start=files_of(WARM_STARTS),
    output:
        info=results("experts/{snippet}/clip_info.json"),
        model=results("experts/{snippet}/eval_rsi/model/best_model.zip"),
        normalizer=results("experts/{snippet}/eval_rsi/model/vecnormalize.pkl"),
        weights=results("experts/{snippet}/expert.safetensors"),
        description=results("experts/{snippet}/expert.json"),
        progress=results("experts/{snippet}/progress.csv"),
    log:
        results("logs/train_expert/{snippet}.log"),
    benchmark:
        results("benchmarks/train_expert/{snippet}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.experts.threads
    resources:
        cpus_per_task=settings.experts.threads,
        mem_mb=growing(4000),
        runtime=training(settings.experts.total_steps / 300),
    params:
        settings=values("seed", "tracking", *EXPERT_TRAINING),
        unrecorded=unrecorded("experts.checkpoint_every", "experts.wandb"),
        code=code("train_expert"),
    script:
        "../workflow_scripts/train_expert.py"


rule evaluate_expert:
    input:
        clip=clip_of_snippet,
        info=rules.train_expert.output.info,
        model=rules.train_expert.output.model,
        normalizer=rules.train_expert.output.normalizer,
    output:
        summary=results("experts/{snippet}/evaluation.json"),
        rsi=results("experts/{snippet}/evaluation/rsi.npz"),
        rsi_noisy=results("experts/{snippet}/evaluation/rsi_noisy.npz"),
        start=results("experts/{snippet}/evaluation/start.npz"),
        start_noisy=results("experts/{snippet}/evaluation/start_noisy.npz"),
    log:
        results("logs/evaluate_expert/{snippet}.log"),
    benchmark:
        results("benchmarks/evaluate_expert/{snippet}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes(30),
    params:
        settings=values("seed", "tracking", "evaluation"),
        code=code("evaluate_expert"),
    script:
        "../workflow_scripts/evaluate_expert.py"


rule gather_evaluations:
    input:
        evaluations=of_snippets(rules.evaluate_expert.output.summary),
    output:
        table=results("experts/evaluation.csv"),
    log:
        results("logs/gather_evaluations.log"),
    benchmark:
        results("benchmarks/gather_evaluations.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes(30),
    params:
        code=code("gather_evaluations"),
    script:
        "../workflow_scripts/gather_evaluations.py"


rule experts:
    input:
        # What an expert consists of, however it is made.
        of_snippets(rules.import_expert.output),


rule evaluation:
    input:
        of_snippets(rules.evaluate_expert.output),
        rules.gather_evaluations.output,
