"""Videos and rows of poses: experts, multi-clip policies, motion completion and transfer. Each video also as a page."""


rule render_expert:
    input:
        clip=clip_of_snippet,
        info=rules.train_expert.output.info,
        model=rules.train_expert.output.model,
        normalizer=rules.train_expert.output.normalizer,
    output:
        video=results("videos/{snippet}.mp4"),
        page=report(
            results("videos/{snippet}.html"),
            caption="captions/expert.rst",
            category="Videos",
            subcategory="Experts",
            labels={"snippet": "{snippet}", "shown": "video"},
        ),
    log:
        results("logs/render_expert/{snippet}.log"),
    benchmark:
        results("benchmarks/render_expert/{snippet}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes(20),
    params:
        settings=values("tracking"),
        code=code("render_expert"),
    script:
        "../workflow_scripts/render_expert.py"


rule render_strip:
    input:
        clip=clip_of_snippet,
        info=rules.train_expert.output.info,
        model=rules.train_expert.output.model,
        normalizer=rules.train_expert.output.normalizer,
    output:
        strip=report(
            results("videos/{snippet}.png"),
            caption="captions/expert.rst",
            category="Videos",
            subcategory="Experts",
            labels={"snippet": "{snippet}", "shown": "poses"},
        ),
    log:
        results("logs/render_strip/{snippet}.log"),
    benchmark:
        results("benchmarks/render_strip/{snippet}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes(20),
    params:
        settings=values("tracking"),
        code=code("render_strip"),
    script:
        "../workflow_scripts/render_strip.py"


rule render_policy:
    input:
        clip=clip_of_motion,
        policy=rules.distill_policy.output.policy,
        model=rules.distill_policy.output.model,
    output:
        video=results("videos/distillation/{policy}/{seed}/{motion}.mp4"),
        page=report(
            results("videos/distillation/{policy}/{seed}/{motion}.html"),
            caption="captions/policy.rst",
            category="Videos",
            subcategory="Multi-clip policies",
            labels={
                "motion": "{motion}",
                "policy": "{policy}, seed {seed}",
                "shown": "video",
            },
        ),
        strip=report(
            results("videos/distillation/{policy}/{seed}/{motion}.png"),
            caption="captions/policy.rst",
            category="Videos",
            subcategory="Multi-clip policies",
            labels={
                "motion": "{motion}",
                "policy": "{policy}, seed {seed}",
                "shown": "poses",
            },
        ),
    log:
        results("logs/render_policy/{policy}/{seed}/{motion}.log"),
    benchmark:
        results("benchmarks/render_policy/{policy}/{seed}/{motion}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=minutes(60),
    params:
        settings=values("tracking"),
        code=code("render_policy"),
    script:
        "../workflow_scripts/render_policy.py"


rule render_completion:
    input:
        clip=clip_of_snippet,
        completion=first_run(
            rules.complete_motion.output.episodes, settings.figures.completion
        ),
    output:
        video=results("videos/completion/{snippet}.mp4"),
        page=report(
            results("videos/completion/{snippet}.html"),
            caption="captions/completion.rst",
            category="Videos",
            subcategory="Motion completion",
            labels={"snippet": "{snippet}", "shown": "video"},
        ),
        strip=report(
            results("videos/completion/{snippet}.png"),
            caption="captions/completion.rst",
            category="Videos",
            subcategory="Motion completion",
            labels={"snippet": "{snippet}", "shown": "poses"},
        ),
    log:
        results("logs/render_completion/{snippet}.log"),
    benchmark:
        results("benchmarks/render_completion/{snippet}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes(20),
    params:
        code=code("render_completion"),
    script:
        "../workflow_scripts/render_completion.py"


rule render_transfer:
    input:
        policy=low_level_files,
        stand=stand_file,
        model=rules.train_transfer.output.model,
        normalizer=rules.train_transfer.output.normalizer,
    output:
        video=results("videos/transfer/{task}/{low_level}/{seed}.mp4"),
        page=report(
            results("videos/transfer/{task}/{low_level}/{seed}.html"),
            caption="captions/transfer.rst",
            category="Videos",
            subcategory="Transfer",
            labels={
                "task": "{task}",
                "low-level policy": "{low_level}",
                "seed": "{seed}",
                "shown": "video",
            },
        ),
        strip=report(
            results("videos/transfer/{task}/{low_level}/{seed}.png"),
            caption="captions/transfer.rst",
            category="Videos",
            subcategory="Transfer",
            labels={
                "task": "{task}",
                "low-level policy": "{low_level}",
                "seed": "{seed}",
                "shown": "poses",
            },
        ),
    log:
        results("logs/render_transfer/{task}/{low_level}/{seed}.log"),
    benchmark:
        results("benchmarks/render_transfer/{task}/{low_level}/{seed}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=minutes(20),
    params:
        settings=lambda wildcards: values(
            *TRANSFER_TRAINING, f"transfer.low_level.{wildcards.low_level}"
        ),
        code=code("render_transfer"),
    script:
        "../workflow_scripts/render_transfer.py"
