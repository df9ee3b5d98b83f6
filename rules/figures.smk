"""The tables and figures of the paper, drawn from this run, and videos of the experts."""


rule draw_table_1:
    input:
        experts=expand(rules.evaluate_expert.output.rsi, snippet=SNIPPETS),
    output:
        data=results("tables/table_1.csv"),
        text=results("tables/table_1.md"),
        page=report(
            results("tables/table_1.html"),
            caption="captions/table_1.rst",
            category="Tables",
            labels={"result": "Table 1: experts"},
        ),
    log:
        results("logs/draw_table_1.log"),
    benchmark:
        results("benchmarks/draw_table_1.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("draw_table_1"),
    script:
        "../workflow_scripts/draw_table_1.py"


rule draw_table_2:
    input:
        policies=expand(
            rules.evaluate_policy.output.episodes, policy=settings.figures.table_2
        ),
    output:
        data=results("tables/table_2.csv"),
        text=results("tables/table_2.md"),
        page=report(
            results("tables/table_2.html"),
            caption="captions/table_2.rst",
            category="Tables",
            labels={"result": "Table 2: multi-clip policies"},
        ),
    log:
        results("logs/draw_table_2.log"),
    benchmark:
        results("benchmarks/draw_table_2.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        weightings={
            policy: settings.distillation.policies[policy].weighting
            for policy in settings.figures.table_2
        },
        code=code("draw_table_2"),
    script:
        "../workflow_scripts/draw_table_2.py"


rule draw_table_3:
    input:
        evaluations=transfer_runs(rules.evaluate_transfer.output.summary),
    output:
        data=results("tables/table_3.csv"),
        text=results("tables/table_3.md"),
        page=report(
            results("tables/table_3.html"),
            caption="captions/table_3.rst",
            category="Tables",
            labels={"result": "Table 3: transfer"},
        ),
    log:
        results("logs/draw_table_3.log"),
    benchmark:
        results("benchmarks/draw_table_3.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("draw_table_3"),
    script:
        "../workflow_scripts/draw_table_3.py"


rule draw_table_4:
    input:
        completion=results(f"distillation/{settings.figures.completion}/completion.npz"),
    output:
        data=results("tables/table_4.csv"),
        text=results("tables/table_4.md"),
        page=report(
            results("tables/table_4.html"),
            caption="captions/table_4.rst",
            category="Tables",
            labels={"result": "Table 4: motion completion"},
        ),
    log:
        results("logs/draw_table_4.log"),
    benchmark:
        results("benchmarks/draw_table_4.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("draw_table_4"),
    script:
        "../workflow_scripts/draw_table_4.py"


rule draw_figure_3:
    input:
        experts=expand(rules.evaluate_expert.output.rsi, snippet=SNIPPETS),
    output:
        data=results("figures/figure_3.csv"),
        vector=results("figures/figure_3.pdf"),
        picture=report(
            results("figures/figure_3.png"),
            caption="captions/figure_3.rst",
            category="Figures",
            labels={"result": "Figure 3: experts"},
        ),
    log:
        results("logs/draw_figure_3.log"),
    benchmark:
        results("benchmarks/draw_figure_3.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("draw_figure_3"),
    script:
        "../workflow_scripts/draw_figure_3.py"


rule draw_figure_6:
    input:
        policy=results(f"distillation/{settings.figures.figure_6}/evaluation.npz"),
        experts=expand(rules.evaluate_expert.output.rsi, snippet=SNIPPETS),
    output:
        data=results("figures/figure_6.csv"),
        vector=results("figures/figure_6.pdf"),
        picture=report(
            results("figures/figure_6.png"),
            caption="captions/figure_6.rst",
            category="Figures",
            labels={"result": "Figure 6: multi-clip policy"},
        ),
    log:
        results("logs/draw_figure_6.log"),
    benchmark:
        results("benchmarks/draw_figure_6.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        trained_on=" ".join(SNIPPETS_OF_POLICY[settings.figures.figure_6]),
        code=code("draw_figure_6"),
    script:
        "../workflow_scripts/draw_figure_6.py"


rule draw_figure_7:
    input:
        progress=transfer_runs(rules.train_transfer.output.progress),
    output:
        data=results("figures/figure_7.csv"),
        vector=results("figures/figure_7.pdf"),
        picture=report(
            results("figures/figure_7.png"),
            caption="captions/figure_7.rst",
            category="Figures",
            labels={"result": "Figure 7: transfer"},
        ),
    log:
        results("logs/draw_figure_7.log"),
    benchmark:
        results("benchmarks/draw_figure_7.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("draw_figure_7"),
    script:
        "../workflow_scripts/draw_figure_7.py"


rule draw_figure_8:
    input:
        completion=results(f"distillation/{settings.figures.completion}/completion.npz"),
    output:
        data=results("figures/figure_8.csv"),
        vector=results("figures/figure_8.pdf"),
        picture=report(
            results("figures/figure_8.png"),
            caption="captions/figure_8.rst",
            category="Figures",
            labels={"result": "Figure 8: motion completion"},
        ),
    log:
        results("logs/draw_figure_8.log"),
    benchmark:
        results("benchmarks/draw_figure_8.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        trained_on=" ".join(SNIPPETS_OF_POLICY[settings.figures.completion]),
        code=code("draw_figure_8"),
    script:
        "../workflow_scripts/draw_figure_8.py"


rule draw_figure_9:
    input:
        completion=results(f"distillation/{settings.figures.completion}/completion.npz"),
    output:
        data=results("figures/figure_9.csv"),
        vector=results("figures/figure_9.pdf"),
        picture=report(
            results("figures/figure_9.png"),
            caption="captions/figure_9.rst",
            category="Figures",
            labels={"result": "Figure 9: what GPT does"},
        ),
    log:
        results("logs/draw_figure_9.log"),
    benchmark:
        results("benchmarks/draw_figure_9.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("draw_figure_9"),
    script:
        "../workflow_scripts/draw_figure_9.py"


rule render_expert:
    input:
        clip=clip_of_snippet,
        info=rules.train_expert.output.info,
        model=rules.train_expert.output.model,
        normalizer=rules.train_expert.output.normalizer,
    output:
        video=report(
            results("videos/{snippet}.mp4"),
            caption="captions/video.rst",
            category="Experts",
            labels={"snippet": "{snippet}", "result": "video"},
        ),
    log:
        results("logs/render_expert/{snippet}.log"),
    benchmark:
        results("benchmarks/render_expert/{snippet}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
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
            caption="captions/strip.rst",
            category="Experts",
            labels={"snippet": "{snippet}", "result": "poses"},
        ),
    log:
        results("logs/render_strip/{snippet}.log"),
    benchmark:
        results("benchmarks/render_strip/{snippet}.tsv")
    conda:
        "../envs/mocapact.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        settings=values("tracking"),
        code=code("render_strip"),
    script:
        "../workflow_scripts/render_strip.py"


rule figures:
    input:
        [getattr(rules, f"draw_{name}").output for name in settings.figures.names],
        lambda wildcards: expand(rules.render_expert.output, snippet=filmed_snippets()),
        lambda wildcards: expand(rules.render_strip.output, snippet=filmed_snippets()),
