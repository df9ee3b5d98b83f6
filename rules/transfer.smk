"""New tasks learned by reinforcement on top of a low-level policy, or without one."""


rule train_transfer:
    input:
        policy=low_level_files,
        stand=stand_file,
    output:
        model=results("transfer/{task}/{low_level}/{seed}/best_model.zip"),
        normalizer=results("transfer/{task}/{low_level}/{seed}/vecnormalize.pkl"),
        progress=results("transfer/{task}/{low_level}/{seed}/progress.csv"),
        validation=results("transfer/{task}/{low_level}/{seed}/validation.csv"),
    log:
        results("logs/train_transfer/{task}/{low_level}/{seed}.log"),
    benchmark:
        results("benchmarks/train_transfer/{task}/{low_level}/{seed}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.transfer.threads
    resources:
        cpus_per_task=settings.transfer.threads,
        mem_mb=growing(3000),
        runtime=training(settings.transfer.total_steps / 300),
    params:
        settings=lambda wildcards: values(
            *TRANSFER_TRAINING, f"transfer.low_level.{wildcards.low_level}"
        ),
        unrecorded=unrecorded("transfer.checkpoint_every"),
        code=code("train_transfer"),
    script:
        "../workflow_scripts/train_transfer.py"


rule evaluate_transfer:
    input:
        policy=low_level_files,
        stand=stand_file,
        model=rules.train_transfer.output.model,
        normalizer=rules.train_transfer.output.normalizer,
    output:
        summary=results("transfer/{task}/{low_level}/{seed}/evaluation.json"),
    log:
        results("logs/evaluate_transfer/{task}/{low_level}/{seed}.log"),
    benchmark:
        results("benchmarks/evaluate_transfer/{task}/{low_level}/{seed}.tsv")
    conda:
        "../envs/mocapact.yaml"
    threads: settings.transfer.threads
    resources:
        cpus_per_task=settings.transfer.threads,
        mem_mb=growing(3000),
        runtime=minutes(60),
    params:
        settings=lambda wildcards: values(
            *TRANSFER_TRAINING,
            "transfer.evaluation_episodes",
            f"transfer.low_level.{wildcards.low_level}",
        ),
        code=code("evaluate_transfer"),
    script:
        "../workflow_scripts/evaluate_transfer.py"


rule transfer:
    input:
        transfer_runs(rules.train_transfer.output),
        transfer_runs(rules.evaluate_transfer.output),
