"""The tables and figures of the paper, drawn from this run."""

EXPERTS = rules.gather_evaluations.output.table
MULTI_CLIP = rules.evaluate_policy.output
COMPLETION = first_run(
    rules.complete_motion.output.episodes, settings.figures.completion
)
WEIGHTINGS = of_policies("weighting", settings.figures.table_2)

# Each has a rule of its name, and a module in mocapact_core/figures, whose function `draw` takes these files and values.
TABLES = {
    "table_1": Drawn("experts", files={"experts": EXPERTS}),
    "table_2": Drawn(
        "multi-clip policies",
        files={"policies": policy_runs(MULTI_CLIP.episodes, settings.figures.table_2)},
        arguments={
            "weightings": WEIGHTINGS,
            "noise": settings.distillation.evaluation_noise,
        },
    ),
    "table_3": Drawn(
        "transfer",
        files={"transfers": transfer_runs(rules.evaluate_transfer.output.summary)},
    ),
    "table_4": Drawn("motion completion", files={"completion": COMPLETION}),
    "table_9": Drawn("noisy experts", files={"experts": EXPERTS}),
}
FIGURES = {
    "figure_3": Drawn("experts", files={"experts": EXPERTS}),
    "figure_4": Drawn(
        "experts and clips",
        files={
            "strips": of_figure_4(rules.render_strip.output.strip),
            "experts": of_figure_4(rules.evaluate_expert.output.start),
        },
    ),
    "figure_6": Drawn(
        "multi-clip policy",
        files={
            "policy": first_run(MULTI_CLIP.episodes, settings.figures.figure_6),
            "experts": EXPERTS,
        },
        arguments={"trained_on": SNIPPETS_OF_POLICY[settings.figures.figure_6]},
        more={"summary": results("figures/figure_6_summary.csv")},
    ),
    "figure_7": Drawn(
        "transfer",
        files={"transfers": transfer_runs(rules.train_transfer.output.progress)},
    ),
    "figure_8": Drawn(
        "motion completion",
        files={"completion": COMPLETION},
        arguments={"trained_on": SNIPPETS_OF_POLICY[settings.figures.completion]},
    ),
    "figure_9": Drawn("what GPT does", files={"completion": COMPLETION}),
    "figure_10": Drawn(
        "lengths of clips and snippets",
        files={"table": rules.split_clips.output.table},
        arguments={"clips": plan.clips},
    ),
    "figure_11": Drawn(
        "training of experts",
        files={
            "progress": of_snippets(
                rules.train_expert.output.progress,
                [name for name in SNIPPETS if name not in ZOO],
            )
        },
        arguments={"snippets": len(SNIPPETS)},
    ),
    "figure_12": Drawn("experts by snippet length", files={"experts": EXPERTS}),
    "figure_13": Drawn(
        "noisy experts",
        files={"experts": EXPERTS},
    ),
    "figure_14": Drawn("noisy experts by snippet length", files={"experts": EXPERTS}),
    "figure_15": Drawn(
        "training of multi-clip policies",
        files={
            "policies": policy_runs(
                rules.distill_policy.output.validation, settings.figures.table_2
            )
        },
        arguments={"weightings": WEIGHTINGS},
    ),
    "figure_16": Drawn(
        "autoregressive parameter",
        files={
            "policies": policy_runs(
                rules.distill_policy.output.validation, settings.figures.figure_16
            ),
            "evaluations": policy_runs(MULTI_CLIP.episodes, settings.figures.figure_16),
        },
        arguments={"alphas": of_policies("alpha", settings.figures.figure_16)},
        more={"summary": results("figures/figure_16_summary.csv")},
    ),
    "figure_17": Drawn(
        "multi-clip policy by snippet length",
        files={"policy": first_run(MULTI_CLIP.episodes, settings.figures.figure_18)},
    ),
    "figure_18": Drawn(
        "multi-clip policy by clip length",
        files={"policy": first_run(MULTI_CLIP.clips, settings.figures.figure_18)},
    ),
}

for name, table in TABLES.items():

    rule:
        name:
            name
        input:
            **drawn_from(name, table.files),
        output:
            data=results(f"tables/{name}.csv"),
            text=results(f"tables/{name}.md"),
            page=report(
                results(f"tables/{name}.html"),
                caption=f"captions/{name}.rst",
                category="Tables",
                labels={"result": label(name, table.title)},
            ),
        log:
            results(f"logs/{name}.log"),
        benchmark:
            results(f"benchmarks/{name}.tsv")
        conda:
            "../envs/mocapact.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=minutes(10),
        params:
            arguments=table.arguments,
            code=code("draw", f"mocapact_core/figures/{name}.py"),
        script:
            "../workflow_scripts/draw.py"


for name, figure in FIGURES.items():

    rule:
        name:
            name
        input:
            **drawn_from(name, figure.files),
        output:
            **figure.more,
            data=results(f"figures/{name}.csv"),
            vector=results(f"figures/{name}.pdf"),
            picture=report(
                results(f"figures/{name}.png"),
                caption=f"captions/{name}.rst",
                category="Figures",
                labels={"result": label(name, figure.title)},
            ),
        log:
            results(f"logs/{name}.log"),
        benchmark:
            results(f"benchmarks/{name}.tsv")
        conda:
            "../envs/mocapact.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=minutes(10),
        params:
            arguments=figure.arguments,
            code=code("draw", f"mocapact_core/figures/{name}.py"),
        script:
            "../workflow_scripts/draw.py"


rule figures:
    input:
        lambda wildcards: [
            path for name in figures_to_draw() for path in getattr(rules, name).output
        ],
        lambda wildcards: filmed(),
