"""What all rules share: the checked settings, the plan of clips and snippets, and small helpers. No rules."""

import gc
import hashlib
import os
import re
from functools import cache
from typing import NamedTuple

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from mocapact_core.clips import sources
from mocapact_core.clips.content import clip_digest
from mocapact_core.config import check_config, parse_config, what_is_missing
from mocapact_core.distillation.cost import completion_seconds, training_seconds
from mocapact_core.distillation.split import training_and_validation
from mocapact_core.errors import InputError, nearest
from mocapact_core.experts import zoo
from mocapact_core.fingerprint import fingerprint
from mocapact_core.humanoid import render
from mocapact_core.interruption import PARENT, pass_over_warnings
from mocapact_core.job import setting_values
from mocapact_core.policies.folder import CLIP_INFO, parts
from mocapact_core.remembered import remember
from mocapact_core.restart import replace_persistence
from mocapact_core.settings import GPTSettings, MultiClipSettings
from mocapact_core.slurm import replace_executor

# Idle threads of OpenMP that spin cost as much as working ones where jobs share cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A plan is millions of objects that stay: looking for garbage among them again and again took a fifth of the time.
gc.disable()
remember()


onstart:
    gc.freeze()
    gc.enable()


# SLURM sends its warning to all processes of a job: the script's to answer, not Snakemake's to die of.
pass_over_warnings()

# When this Snakemake is killed, its jobs on this machine end, and those on a cluster are found again by the next.
os.environ[PARENT] = str(os.getpid())
replace_persistence()

try:
    settings = parse_config(
        config, origin=" with ".join(map(str, workflow.configfiles[::-1]))
    )
    check_config(settings)
    # On a cluster: to wait while SLURM is away, and to know how every job ends.
    replace_executor(settings.cluster)
    plan = sources.plan(settings.clips, settings.tracking)
    SNIPPETS = [snippet.name for snippet in plan.snippets]
    ZOO = zoo.zoo_experts(settings.experts, SNIPPETS)
    WARM_STARTS = zoo.experts_to_start_from(
        settings.experts, [name for name in SNIPPETS if name not in ZOO]
    )
    SPLIT_OF_POLICY = {
        name: training_and_validation(plan.snippets, name, policy)
        for name, policy in settings.distillation.policies.items()
    }
    SNIPPETS_OF_POLICY, VALIDATION_OF_POLICY = (
        {
            name: [snippet.name for snippet in split[side]]
            for name, split in SPLIT_OF_POLICY.items()
        }
        for side in (0, 1)
    )
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

# The settings that shape a task policy, besides those of its low-level policy.
TRANSFER_TRAINING = [
    f"transfer.{name}"
    for name in type(settings.transfer).model_fields
    if name not in settings.transfer.FOLLOWING
]


wildcard_constraints:
    clip=r"[^/]+",
    snippet=r"[^/]+-\d+-\d+",
    motion=r"[^/]+",
    policy="|".join(settings.distillation.policies),
    task="|".join(settings.transfer.tasks),
    low_level="|".join(settings.transfer.low_level),
    seed=r"\d+",


def results(path):
    return f"{settings.results}/{path}"


@cache
def values(*names):
    """Some settings as one text for a rule's params: a change of these, and of no others, reruns the rule."""
    return setting_values(settings, *names)


def unrecorded(*names):
    """Settings that a job reads but that alone do not rerun it: Snakemake records no params made with `input`."""
    return lambda wildcards, input: values(*names)


def code(script, *modules):
    """The fingerprint of a rule's code, for its params: of its script, and of modules that this is told to import.

    It is made when a job asks for it: a job on a cluster reads all rules, but needs only its own.
    """
    files = (f"workflow_scripts/{script}.py", *modules)
    return lambda wildcards: fingerprints(files)


@cache
def fingerprints(files):
    return " ".join(fingerprint(file, workflow.basedir) for file in files)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def growing(megabytes):
    """Memory that grows with the first attempts at a job."""
    return lambda wildcards, attempt: megabytes * min(attempt, 3)


def minutes(amount):
    """A time limit that grows with each attempt at a job, up to what the cluster allows."""
    return lambda wildcards, attempt: min(
        int(amount * attempt), 60 * settings.cluster.max_hours
    )


def training(seconds):
    """The time limit of a training, generous: in minutes, ten of them for the rest."""
    return minutes(10 + seconds / 60)


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


def clip_of_motion(wildcards):
    """The file of a clip: of a snippet's, or of the one that is named itself."""
    clips = CLIP_OF_SNIPPET | {clip: clip for clip in CLIPS}
    return results(f"clips/{planned(wildcards.motion, clips)}.h5")


def one_of(names):
    """A wildcard constraint: one of these names, or nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def files_of(experts):
    """An input function: the files that the expert of a snippet is read from; none where there is no such expert."""

    def files(wildcards):
        folder = experts.get(wildcards.snippet)
        return [str(part) for part in parts(folder)] if folder else []

    return files


def of_clips(pattern):
    """An input function: a file of each clip. Names are made when a job asks for them, as with `code`."""
    return lambda wildcards: expand(pattern, clip=CLIPS)


def of_snippets(pattern, snippets=SNIPPETS):
    """An input function: a file of each snippet."""
    return lambda wildcards: expand(pattern, snippet=snippets)


def of_clip(pattern):
    """An input function: a file of each expert on the clip."""
    return lambda wildcards: expand(
        pattern, snippet=planned(wildcards.clip, SNIPPETS_OF_CLIP)
    )


def of_clips_of_policy(pattern):
    """An input function: a file of each clip that a policy is trained or validated on."""

    def files(wildcards):
        name = wildcards.policy
        snippets = SNIPPETS_OF_POLICY[name] + VALIDATION_OF_POLICY[name]
        return expand(
            pattern, clip=sorted({CLIP_OF_SNIPPET[snippet] for snippet in snippets})
        )

    return files


def policies(kind):
    """The names of the policies with settings of this class."""
    return [
        name
        for name, policy in settings.distillation.policies.items()
        if isinstance(policy, kind)
    ]


def policy_training(name):
    """The settings that shape a policy."""
    policy = settings.distillation.policies[name]
    return [
        f"distillation.policies.{name}.{field}"
        for field in type(policy).model_fields
        if field not in policy.FOLLOWING
    ]


def gpu(wildcards):
    """The GPU of a policy's training, where one is to be had and the training is long without."""
    policy = settings.distillation.policies[wildcards.policy]
    on_cpu = training_seconds(policy, settings.distillation.threads)
    return (settings.cluster.gpu or "") if on_cpu > 3600 else ""


def policy_minutes(wildcards, attempt):
    """The time limit of a policy's training."""
    policy = settings.distillation.policies[wildcards.policy]
    threads = None if gpu(wildcards) else settings.distillation.threads
    return training(training_seconds(policy, threads))(wildcards, attempt)


def completion_minutes(wildcards, attempt):
    """The time limit of a motion completion."""
    asked = settings.distillation
    gpt = asked.policies[wildcards.policy]
    seconds = completion_seconds(asked, gpt, plan.snippets)
    return minutes(60 + seconds / 60)(wildcards, attempt)


def policy_runs(pattern, names):
    """A file of each training of these policies: one a seed."""
    return [
        path
        for name in names
        for seed in settings.distillation.policies[name].seeds
        for path in expand(pattern, policy=name, seed=seed)
    ]


def first_run(pattern, name):
    """A file of a policy's training with the first of its seeds: what stands for the policy where one is needed."""
    [path] = expand(
        pattern, policy=name, seed=settings.distillation.policies[name].seeds[0]
    )
    return path


def low_level_files(wildcards):
    """The files of the policy that a transfer task stands on; none for the task without one."""
    policy = settings.transfer.low_level[wildcards.low_level].policy
    files = results("distillation/{{policy}}/{{seed}}/{file}")
    both = expand(files, file=["policy.json", "model.safetensors"])
    return [first_run(pattern, policy) for pattern in both] if policy else []


@cache
def can_render():
    """Whether this machine can render pictures. Where it cannot, this says so."""
    if not render.available():
        logger.warning(f"Videos and Fig. 4 are left out. {render.remedy()}")
        return False
    return True


def filmed():
    """The videos and rows of poses that are asked for, where this machine can make them."""
    wanted = settings.figures
    if not (wanted.videos and can_render()):
        return []
    experts = evenly(SNIPPETS, wanted.expert_videos)
    pairs = [
        (task, low_level)
        for task in settings.transfer.tasks
        for low_level in settings.transfer.low_level
    ]
    return [
        *expand(rules.render_expert.output, snippet=experts),
        *expand(rules.render_strip.output, snippet=experts),
        *expand(
            rules.render_policy.output,
            policy=wanted.figure_6,
            seed=settings.distillation.policies[wanted.figure_6].seeds[0],
            motion=evenly(SNIPPETS, wanted.policy_videos)
            + evenly(CLIPS, wanted.clip_videos),
        ),
        *expand(
            rules.render_completion.output,
            snippet=evenly(SNIPPETS, wanted.completion_videos),
        ),
        *(
            path
            for task, low_level in evenly(pairs, wanted.transfer_videos)
            for path in expand(
                rules.render_transfer.output,
                task=task,
                low_level=low_level,
                seed=settings.transfer.seeds[0],
            )
        ),
    ]


def evenly(names, n):
    """So many of the names, or all where they are fewer, spread evenly."""
    n = min(n, len(names))
    return [names[index * len(names) // n] for index in range(n)]


def stand_file(wildcards):
    """The clip in whose first frame transfer tasks begin, where one is named."""
    clip = settings.transfer.stand
    return [results(f"clips/{clip}.h5")] if clip else []


def transfer_runs(pattern):
    """A file of each training on a transfer task."""
    return expand(
        pattern,
        task=settings.transfer.tasks,
        low_level=settings.transfer.low_level,
        seed=settings.transfer.seeds,
    )


FIGURE_SPACE = "\N{FIGURE SPACE}"


class Drawn(NamedTuple):
    """What a table or figure is made from."""

    title: str
    files: dict
    arguments: dict = {}
    more: dict = {}  # output besides the data and the picture or page


def drawn_from(name, files):
    """The input of a table or figure. Where the settings have nothing to draw it from, it cannot be asked for."""
    missing = what_is_missing(settings, name)

    def refuse(wildcards):
        raise WorkflowError(f"{numbered(name)} cannot be drawn: {missing}")

    return {"missing": refuse} if missing else files


def numbered(name):
    """Table 1, for table_1."""
    return name.replace("_", " ").capitalize()


def label(name, title):
    """What the report lists a table or figure as. A digit's space keeps Figure 3 before Figure 10."""
    kind, number = numbered(name).split()
    return f"{kind} {number.rjust(2, FIGURE_SPACE)}: {title}"


def figures_to_draw():
    """The tables and figures that are asked for, and that this machine can draw."""
    return [
        name for name in settings.figures.names if name != "figure_4" or can_render()
    ]


def of_figure_4(pattern):
    """A file of each expert of Fig. 4."""
    shown = settings.figures.figure_4
    names = evenly(SNIPPETS, shown) if isinstance(shown, int) else shown
    return [
        path
        for name in names
        if planned(name, CLIP_OF_SNIPPET)
        for path in expand(pattern, snippet=name)
    ]


def of_policies(setting, names):
    """A setting of each of these policies, by name."""
    return {
        name: getattr(settings.distillation.policies[name], setting) for name in names
    }
