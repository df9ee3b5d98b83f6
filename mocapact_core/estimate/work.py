"""The work of each rule, from settings and plan alone: how many jobs, how much is simulated, computed and stored.

Episodes count as if none ended early, so that good experts cost what is said here and bad ones less. Trainings count
with all their steps, `early_stop` or not.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.sources import Plan
from mocapact_core.config import Config
from mocapact_core.distillation.cost import completion_flops, completion_steps, flops_of_step, n_weights
from mocapact_core.estimate import rates
from mocapact_core.experts.zoo import zoo_experts
from mocapact_core.rollouts.layout import N_ACTIONS
from mocapact_core.settings import GPTSettings, MultiClipSettings
from mocapact_core.tasks import go_to_target, velocity_control
from mocapact_core.tasks.episodes import RSI_PER_START

SEEN, SEEN_WITH_REFERENCE = 206, 1291
"""Numbers that an expert or task policy sees, at least, and a multi-clip policy (`humanoid.observables`)."""
EPISODE_STEPS = {
    "go_to_target": go_to_target.EPISODE_STEPS,
    "velocity_control": velocity_control.EPISODE_STEPS,
}


@dataclass(frozen=True)
class Work:
    """The jobs of a rule, or some of them that are alike."""

    stage: str
    rule: str
    jobs: int
    steps: float = 0
    """Control steps that all jobs together simulate, over all worlds."""
    flops: float = 0
    """Floating-point operations of networks."""
    seconds: float = 0
    """CPU seconds of everything else but the start of the jobs."""
    bytes: float = 0
    """Size of all that is kept."""
    wide: bool = True
    """Whether the networks have wide layers (`rates.WIDE`)."""
    training: bool = False
    """Whether it is a policy's training, which can use a GPU."""
    files: str = "*"
    """Their benchmark files in the folder of the rule: a pattern without suffix. Empty: the rule has one file only."""

    @property
    def cpu_seconds(self) -> float:
        flops_per_second = rates.WIDE_FLOPS if self.wide else rates.NARROW_FLOPS
        computes = self.steps or self.flops
        started = self.jobs * (rates.START_SECONDS if computes else rates.LIGHT_START_SECONDS)
        return started + self.seconds + self.steps * rates.STEP_SECONDS + self.flops / flops_per_second


def work(settings: Config, plan: Plan) -> list[Work]:
    """All work that the settings ask for, in the order of the stages.

    Raises:
        InputError: `experts.source` is a zoo that cannot be read.
    """
    parts = (
        _clips(settings, plan),
        _experts(settings, plan),
        _rollouts(settings, plan),
        _distillation(settings, plan),
    )
    return [row for part in (*parts, _transfer(settings), _figures(settings)) for row in part if row.jobs]


def _clips(settings: Config, plan: Plan) -> Iterator[Work]:
    yield Work("clips", "split_clips", 1, files="")
    yield Work("clips", "download_archive", int(settings.clips.source == "cmu2020"), files="")
    stored = rates.CLIP_STEP_BYTES * sum(plan.clips.values()) + rates.CLIP_BYTES * len(plan.clips)
    seconds = rates.CLIP_SECONDS * len(plan.clips)
    yield Work("clips", "extract_clip", len(plan.clips), seconds=seconds, bytes=stored)
    yield Work("clips", "gather_clips", 1, bytes=stored, files="")


def _experts(settings: Config, plan: Plan) -> Iterator[Work]:
    experts, evaluation = settings.experts, settings.evaluation
    imported = zoo_experts(experts, [snippet.name for snippet in plan.snippets])
    trained = [snippet for snippet in plan.snippets if snippet.name not in imported]
    weights = n_weights(SEEN, *experts.hidden, N_ACTIONS)
    both, wide = weights + n_weights(SEEN, *experts.hidden, 1), _wide(experts.hidden)
    stored = rates.WEIGHT_BYTES * (3 * both + weights)  # with the optimizer, and the file without pickle
    yield Work("experts", "import_expert", len(imported), bytes=len(imported) * stored)

    evaluations = experts.total_steps // experts.evaluate_every + 1
    watched = evaluations * _episode_steps(
        trained, experts.evaluation_episodes, experts.evaluation_start_episodes, experts.min_steps
    )
    learned = experts.total_steps * len(trained)
    yield Work(
        "experts",
        "train_expert",
        len(trained),
        steps=learned + watched,
        flops=learned * both * (2 + 6 * experts.epochs) + 2 * watched * weights,
        seconds=rates.WARM_START_SECONDS.get(experts.warm_start, 0) * len(trained),
        bytes=len(trained) * stored,
        wide=wide,
    )
    episodes = 2 * (evaluation.rsi_episodes + evaluation.start_episodes)  # with noise and without
    steps = 2 * _episode_steps(
        plan.snippets, evaluation.rsi_episodes, evaluation.start_episodes, evaluation.min_steps
    )
    stored = episodes * len(plan.snippets) * rates.EPISODE_BYTES
    yield Work(
        "experts", "evaluate_expert", len(plan.snippets), steps, 2 * steps * weights, bytes=stored, wide=wide
    )
    yield Work("experts", "gather_evaluations", 1, files="")


def _rollouts(settings: Config, plan: Plan) -> Iterator[Work]:
    asked, clips = settings.rollouts, len(plan.clips)
    steps = _episode_steps(plan.snippets, asked.rsi_rollouts, asked.start_rollouts, asked.min_steps)
    compact = asked.observables == "proprioception"
    hidden = settings.experts.hidden
    yield Work(
        "rollouts",
        "collect_rollouts",
        clips,
        steps,
        2 * steps * (n_weights(SEEN, *hidden, N_ACTIONS) + n_weights(SEEN, *hidden, 1)),
        steps * rates.RECORDED_STEP_SECONDS,
        steps * (rates.COMPACT_STEP_BYTES if compact else rates.STEP_BYTES),
        _wide(hidden),
    )
    if compact:  # once, if all that read them run one after the other; the files are temporary
        yield Work("rollouts", "restore_rollouts", clips, seconds=steps * rates.RESTORED_STEP_SECONDS)
    yield Work("rollouts", "measure_rollouts", clips, seconds=steps * rates.RECORDED_STEP_SECONDS)
    yield Work("rollouts", "compute_dataset_metrics", 1, files="")
    yield Work("rollouts", "write_data_card", 1, files="")


def _distillation(settings: Config, plan: Plan) -> Iterator[Work]:
    for name, policy in settings.distillation.policies.items():
        per_step = flops_of_step(policy, SEEN_WITH_REFERENCE)
        weights = per_step / 6 / (policy.batch * (policy.block if policy.kind == "gpt" else policy.sequence))
        yield _policy_training(plan, name, policy, per_step, weights)
        if isinstance(policy, GPTSettings):
            rule, (steps, flops) = "complete_motion", _completion(settings, plan, policy)
        else:
            rule, (steps, flops) = "evaluate_policy", _evaluation(settings, plan, policy, weights)
        jobs, wide = len(policy.seeds), _wide_policy(policy)
        yield Work("distillation", rule, jobs, steps, flops, wide=wide, files=f"{name}/*")


def _policy_training(
    plan: Plan, name: str, policy: MultiClipSettings | GPTSettings, per_step: float, weights: float
) -> Work:
    """Training, with evaluations meanwhile on snippets of training and validation and on whole clips."""
    seeds = len(policy.seeds)
    episodes = (2 + (policy.validation is not None)) * policy.evaluation_episodes * (1 + 1 / RSI_PER_START)
    evaluations = policy.gradient_steps // policy.evaluate_every if policy.evaluate_every else 0
    steps = seeds * evaluations * episodes * sum(plan.clips.values()) / len(plan.clips)
    return Work(
        "distillation",
        "distill_policy",
        seeds,
        steps,
        seeds * policy.gradient_steps * per_step + 2 * steps * weights,
        bytes=seeds * 2 * weights * rates.WEIGHT_BYTES,  # the best and the last
        wide=_wide_policy(policy),
        training=True,
        files=f"{name}/*",
    )


def _evaluation(
    settings: Config, plan: Plan, policy: MultiClipSettings, weights: float
) -> tuple[float, float]:
    """(control steps, floating-point operations) of the evaluation of all seeds, on snippets and on whole clips."""
    clips = [Snippet(clip, 0, n_steps) for clip, n_steps in plan.clips.items()]
    steps = 0.0
    for motions in (plan.snippets, clips):
        each = -(-settings.distillation.evaluation_episodes // len(motions))
        steps += len(policy.seeds) * _episode_steps(motions, each, -(-each // RSI_PER_START), 0)
    return steps, 2 * steps * weights


def _completion(settings: Config, plan: Plan, policy: GPTSettings) -> tuple[float, float]:
    """The same of motion completion."""
    asked, seeds = settings.distillation, len(policy.seeds)
    steps = completion_steps(asked, plan.snippets)
    return seeds * steps, seeds * completion_flops(asked, policy, plan.snippets)


def _transfer(settings: Config) -> Iterator[Work]:
    asked = settings.transfer
    both = n_weights(SEEN, *asked.hidden, N_ACTIONS) + n_weights(SEEN, *asked.hidden, 1)
    runs = len(asked.low_level) * len(asked.seeds)
    for task in asked.tasks:
        watched = asked.total_steps // asked.evaluate_every * asked.selection_episodes * EPISODE_STEPS[task]
        yield Work(
            "transfer",
            "train_transfer",
            runs,
            runs * (asked.total_steps + watched),
            runs * both * (asked.total_steps * (2 + 6 * asked.epochs) + 2 * watched),
            bytes=runs * 3 * both * rates.WEIGHT_BYTES,
            wide=_wide(asked.hidden),
            files=f"{task}/*/*",
        )
        steps = runs * asked.evaluation_episodes * EPISODE_STEPS[task]
        yield Work("transfer", "evaluate_transfer", runs, steps, 2 * steps * both, files=f"{task}/*/*")


def _figures(settings: Config) -> Iterator[Work]:
    asked = settings.figures
    for name in asked.names:
        yield Work("figures", name, 1, seconds=rates.FIGURE_SECONDS, files="")
    films = asked.expert_videos if asked.videos else 0
    shown = asked.figure_4 if isinstance(asked.figure_4, int) else len(asked.figure_4)
    strips = max(films, shown if "figure_4" in asked.names else 0)
    yield Work("figures", "render_strip", strips, seconds=strips * rates.STRIP_SECONDS)
    if asked.videos:
        policies = asked.policy_videos + asked.clip_videos
        for rule, jobs in {
            "render_expert": films,
            "render_policy": policies,
            "render_completion": asked.completion_videos,
            "render_transfer": asked.transfer_videos,
        }.items():
            yield Work("figures", rule, jobs, seconds=jobs * rates.VIDEO_SECONDS, files="**/*")


def _episode_steps(motions: list[Snippet], at_random: int, from_start: int, min_steps: int) -> float:
    """Control steps of so many episodes of each motion, none of which ends early."""
    return sum(
        at_random * (motion.n_steps + min(min_steps, motion.n_steps)) / 2 + from_start * motion.n_steps
        for motion in motions
    )


def _wide(hidden: list[int]) -> bool:
    return max(hidden) >= rates.WIDE


def _wide_policy(policy: MultiClipSettings | GPTSettings) -> bool:
    if isinstance(policy, GPTSettings):
        return policy.embedding >= rates.WIDE
    return _wide([size for name, sizes in policy if name.endswith("hidden") for size in sizes])
