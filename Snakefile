"""MoCapAct, end to end: clips, experts, rollouts, distillation, transfer, figures.

Each stage has a file in rules/, a section in config.yaml, a package in mocapact_core/ and a folder in results/.
Targets: clips, experts, evaluation, rollouts, distillation, transfer, figures and, by default, all; estimate tells what
they cost.
"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "rules/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/clips.smk"
include: "rules/experts.smk"
include: "rules/rollouts.smk"
include: "rules/distillation.smk"
include: "rules/transfer.smk"
include: "rules/videos.smk"
include: "rules/figures.smk"
include: "rules/estimate.smk"


localrules:
    all,
    clips,
    experts,
    evaluation,
    rollouts,
    distillation,
    transfer,
    figures,
    estimate,


rule all:
    default_target: True
    input:
        rules.clips.input,
        rules.experts.input,
        rules.evaluation.input,
        rules.rollouts.input,
        rules.distillation.input,
        rules.transfer.input,
        rules.figures.input,
