"""What all rules share: the checked settings, the plan of clips and snippets, and small helpers. No rules."""

import hashlib
import os
import re
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from mocapact_core.clips import sources
from mocapact_core.clips.content import clip_digest
from mocapact_core.clips.snippets import select
from mocapact_core.config import (
    GPTSettings,
    MultiClipSettings,
    check_config,
    parse_config,
)
from mocapact_core.errors import InputError, nearest
from mocapact_core.experts import zoo
from mocapact_core.fingerprint import fingerprint
from mocapact_core.humanoid import render
from mocapact_core.interruption import pass_over_warnings
from mocapact_core.job import setting_values
from mocapact_core.policies.folder import CLIP_INFO, parts

# Idle threads of OpenMP that spin cost as much as working ones where jobs share cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# SLURM sends its warning to all processes of a job: the script's to answer, not Snakemake's to die of.
pass_over_warnings()

try:
    settings = parse_config(
        config, origin=" with ".join(map(str, workflow.configfiles[::-1]))
    )
    check_config(settings)
    plan = sources.plan(settings.clips, settings.tracking)
    SNIPPETS = [snippet.name for snippet in plan.snippets]
    ZOO = zoo.zoo_experts(settings.experts, SNIPPETS)
    WARM_STARTS = zoo.experts_to_start_from(
        settings.experts, [name for name in SNIPPETS if name not in ZOO]
    )
    SNIPPETS_OF_POLICY = {
        name: [
            snippet.name
            for snippet in select(
                plan.snippets,
                policy.subset,
                f"that distillation.policies.{name} can use",
            )
        ]
        for name, policy in settings.distillation.policies.items()
    }
except InputError as error:
    raise WorkflowError(str(error)) from None

CLIPS = list(plan.clips)
CLIP_OF_SNIPPET = {snippet.name: snippet.clip for snippet in plan.snippets}
SNIPPETS_OF_CLIP = {clip: [] for clip in CLIPS}
for snippet in plan.snippets:
    SNIPPETS_OF_CLIP[snippet.clip].append(snippet.name)
if ZOO:
    logger.info(zoo.told(ZOO, SNIPPETS))

# The settings that shape an expert.
EXPERT_TRAINING = [
    f"experts.{name}"
    for name in type(settings.experts).model_fields
    if name not in settings.experts.FOLLOWING
]

# The settings that shape rollouts.
COLLECTION = [
    f"rollouts.{name}"
    for name in type(settings.rollouts).model_fields
    if name != "threads"
]

# Where all observables of the rollouts are: stored, or for as long as a job reads them.
FULL_ROLLOUTS = (
    f"{settings.results}/rollouts/restored/{{clip}}.hdf5"
    if settings.rollouts.observables == "proprioception"
    else f"{settings.results}/rollouts/{{clip}}.hdf5"
)

# The settings of one training on a transfer task; what to train belongs to the plan.
TRANSFER_TRAINING = [
    f"transfer.{name}"
    for name in type(settings.transfer).model_fields
    if name
    not in ("tasks", "low_level", "seeds", "evaluation_episodes", "checkpoint_every")
]


wildcard_constraints:
    clip=r"[^/]+",
    snippet=r"[^/]+-\d+-\d+",
    policy="|".join(settings.distillation.policies),
    task="|".join(settings.transfer.tasks),
    low_level="|".join(settings.transfer.low_level),
    seed=r"\d+",


def results(path):
    return f"{settings.results}/{path}"


def values(*names):
    """Some settings as one text for a rule's params: a change of these, and of no others, reruns the rule."""
    return setting_values(settings, *names)


def unrecorded(*names):
    """Settings that a job reads but that alone do not rerun it: Snakemake records no params made with `input`."""
    return lambda wildcards, input: values(*names)


def code(rule):
    """The fingerprint of a rule's code, for its params."""
    return fingerprint(f"workflow_scripts/{rule}.py", workflow.basedir)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def growing(amount):
    """A resource that grows with each attempt at a job."""
    return lambda wildcards, attempt: int(amount * attempt)


def minutes(steps, per_second):
    """A generous time limit: so many steps at so many a second, on top of ten minutes."""
    return growing(10 + steps / per_second / 60)


@cache
def known_clips():
    return set(sources.clip_names(settings.clips))


def clip_source(wildcards):
    """The files that a clip is made from, where they are its own."""
    if wildcards.clip not in known_clips():
        raise WorkflowError(
            f"The source {settings.clips.source} has no clip {wildcards.clip}; the nearest are "
            f"{nearest(wildcards.clip, sorted(known_clips()))}."
        )
    if settings.clips.source == "cmu2020":
        return results("clips/archive.txt")
    if settings.clips.source == "amc":
        return sources.clip_files(settings.clips, wildcards.clip)
    return []


def clip_content(wildcards):
    """What the files do not tell: the source, and the content of a clip that shares its file with others."""
    name, clips = wildcards.clip, settings.clips
    if clips.source == "amc":
        return f"amc {clips.frame_rates.get(name)} {clips.leg_lengths.get(name)}"
    if clips.source == "hdf5":
        [archive] = sources.clip_files(clips, name)
        return clip_digest(archive, name)
    return clips.source


def planned(name, plan):
    """What the plan has for a clip or snippet."""
    if name not in plan:
        raise WorkflowError(
            f"{name} is not part of this run; the nearest are {nearest(name, list(plan))}. "
            "clips.subset says what is."
        )
    return plan[name]


def clip_of_snippet(wildcards):
    return results(f"clips/{planned(wildcards.snippet, CLIP_OF_SNIPPET)}.h5")


def one_of(names):
    """A wildcard constraint: one of these names, or nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def files_of(experts):
    """An input function: the files that the expert of a snippet is read from; none where there is no such expert."""

    def files(wildcards):
        folder = experts.get(wildcards.snippet)
        return [str(part) for part in parts(folder)] if folder else []

    return files


def of_clip(pattern):
    """An input function: a file of each expert on the clip."""
    return lambda wildcards: expand(
        pattern, snippet=planned(wildcards.clip, SNIPPETS_OF_CLIP)
    )


def rollouts_of_policy(wildcards):
    clips = {CLIP_OF_SNIPPET[name] for name in SNIPPETS_OF_POLICY[wildcards.policy]}
    return expand(FULL_ROLLOUTS, clip=sorted(clips))


def policies(kind):
    """The names of the policies with settings of this class."""
    return [
        name
        for name, policy in settings.distillation.policies.items()
        if isinstance(policy, kind)
    ]


def low_level_files(wildcards):
    """The files of the policy that a transfer task stands on; none for the task without one."""
    policy = settings.transfer.low_level[wildcards.low_level].policy
    return expand(
        results("distillation/{policy}/{file}"),
        policy=[policy] if policy else [],
        file=["policy.json", "model.safetensors"],
    )


@cache
def filmed_snippets():
    """The snippets to render pictures of: all, where that is asked for and this machine can."""
    if not settings.figures.videos:
        return []
    if not render.available():
        logger.warning(f"Videos are left out. {render.remedy()}")
        return []
    return SNIPPETS


def transfer_runs(pattern):
    """A file of each training on a transfer task."""
    return expand(
        pattern,
        task=settings.transfer.tasks,
        low_level=settings.transfer.low_level,
        seed=settings.transfer.seeds,
    )
