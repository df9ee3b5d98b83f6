"""The settings of every stage: typed, documented, validated.

`config.yaml` and its presets are read into these models; `config/schema.json` is made from them, and the
command line takes its defaults from them. A section is named like the stage it belongs to.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mocapact_core.errors import InputError, nearest

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
WarmStart = Annotated[str, Field(pattern=r"^(inverse_dynamics|sampling|none)$|/")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]  # becomes a folder


class Settings(BaseModel):
    """A section of the configuration. Unknown keys are errors, so that a typing mistake is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class ClipSettings(Settings):
    """Where reference motion comes from and how it is cut into snippets."""

    source: Literal["builtin", "hdf5", "cmu2020", "amc"] = "builtin"
    """builtin: the project's own motions; hdf5: a file in dm_control's trajectory format; cmu2020:
    dm_control's 836 CMU clips (476 MB, downloaded when missing); amc: a folder of ASF/AMC files."""
    path: str | None = None
    """The HDF5 file (hdf5, cmu2020) or the folder of ASF/AMC files (amc). cmu2020 also looks in
    ~/.dm_control."""
    subset: str | list[str] = "all"
    """all, train, val, locomotion, get_up, or a list of names of clips (CMU_009_12) and snippets
    (CMU_009_12-165-363)."""
    frame_rates: dict[str, Rate] = {}
    """Frames a second of AMC clips that were not recorded at 120, by clip."""
    leg_lengths: dict[str, Rate] = {}
    """Metres from hip to ankle of the subjects of AMC clips that have no ASF skeleton, by clip."""
    max_snippet_steps: Positive = 210
    """Longest snippet in control steps of 0.03 s (paper, appendix B.1.1)."""
    overlap_steps: NotNegative = 33
    """Overlap of neighbouring snippets in control steps (paper, appendix B.1.1)."""


class TrackingSettings(Settings):
    """The tracking task all experts and multi-clip policies are trained and evaluated on."""

    termination_error: Rate = 0.3
    """The episode ends when half the mean joint error plus half the mean body position error exceeds this."""
    ref_steps: Annotated[list[Positive], Field(min_length=1)] = [1, 2, 3, 4, 5]
    """Future steps of the reference that observations show."""


class ExpertSettings(Settings):
    """One PPO expert a snippet (paper section 4.1, Table 5)."""

    FOLLOWING: ClassVar[set[str]] = {"source", "zoo", "checkpoint_every", "wandb"}
    """Settings that do not change what is trained."""

    source: Literal["train", "zoo"] = "train"
    """train: train all experts; zoo: take those that `zoo` has, and train the others."""
    zoo: str | None = None
    """Folder of experts laid out like MoCapAct's model zoo: <snippet>/{clip_info.json,eval_rsi/model/}, up to four
    folders deep."""
    total_steps: NotNegative = 16_384
    """Environment steps of training. 0 keeps the warm start."""
    warm_start: WarmStart = "inverse_dynamics"
    """Start the policy at the actions that inverse dynamics asks for along the clip (inverse_dynamics); at actions that
    sampling in the simulator finds from there, for motion that inverse dynamics soon loses, at a minute or two of CPU
    more (sampling); at random weights (none); or at the weights and statistics of an expert with the same hidden
    layers. Then this is a folder, with a / in it: that of one expert, or one laid out like `zoo` that has the expert of
    each snippet."""
    hidden: list[Positive] = [256, 256, 256]
    """Units of the hidden tanh layers of policy and value network, each."""
    noise: Rate = 0.1
    """Standard deviation of the Gaussian policy, fixed."""
    workers: Positive = 128
    """Worlds simulated side by side."""
    steps_per_update: Positive = 8192
    """Environment steps between policy updates, over all workers."""
    epochs: Positive = 5
    """Passes over the data of one update."""
    minibatch: Positive = 1024
    """Samples a gradient step."""
    learning_rate: Annotated[list[Rate], Field(min_length=1)] = [1e-4]
    """Adam step sizes, each for an equal share of the training; with `target_kl`, the first is where it begins."""
    target_kl: Rate | None = 0.6
    """KL divergence (nats, of all actions together) that an update should make: the policy's step size is adapted to it.
    It falls to a tenth over the last two fifths of the training. Empty: step sizes are those of `learning_rate`."""
    critic: Literal["privileged", "plain"] = "privileged"
    """What the critic sees in training: also the reference and the distance from it (privileged), or what the expert
    sees (plain). The value network of a finished expert is of the latter kind in both cases."""
    critic_learning_rate: Rate = 1e-3
    """Adam step size of a privileged critic."""
    bootstrap_at_end: bool = True
    """Whether the end of the snippet is a time limit, at which the critic's value counts for what would come; else it is
    worth nothing, as in the released code."""
    clip_range: Rate = 1.0
    """PPO clipping parameter."""
    gamma: Fraction = 0.95
    """Discount factor."""
    gae_lambda: Fraction = 0.95
    """Lambda of the generalised advantage estimate."""
    max_grad_norm: Rate = 1.0
    """Gradient norm at which gradients are clipped."""
    min_steps: Positive = 10
    """Training episodes start at least this many steps before the end of the snippet."""
    start_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of training episodes that begin at the start of the snippet, besides those that do by chance."""
    evaluate_every: Positive = 16_384
    """Environment steps between evaluations during training; the best model so far is kept."""
    evaluation_episodes: Positive = 128
    """Episodes of an evaluation during training, from random steps of the snippet, with `noise`."""
    evaluation_start_episodes: Positive = 16
    """Episodes of an evaluation during training from the start of the snippet, with noise 0.01."""
    early_stop: Literal["none", "paper", "released"] = "none"
    """End the training when the evaluated normalized length is at least 0.98 and the reward has not improved for
    `early_stop_steps`: by more than 1 % (paper, appendix B.1.2), or by more than 0.01 (released code)."""
    early_stop_steps: Positive = 10_000_000
    """Environment steps without improvement after which training ends."""
    checkpoint_every: Positive = 65_536
    """Environment steps between checkpoints, from which an interrupted training goes on: what is lost at most
    when it is killed. When they are made does not influence the result."""
    wandb: str | None = None
    """Project of Weights & Biases to log to as well (`pip install wandb`)."""
    threads: Positive = 1
    """Threads of simulation and network in one job. On the CPU results depend on it in the last bits."""


class EvaluationSettings(Settings):
    """The protocols of Table 1 (noise off) and Table 9 (noise 0.1), from random steps and from the start."""

    rsi_episodes: Positive = 100
    """Episodes from random steps of the reference, for each protocol."""
    start_episodes: Positive = 20
    """Episodes from the start of the snippet, for each protocol."""
    min_steps: Positive = 30
    """Episodes start at least this many steps before the end, or as many as a short snippet has."""


class RolloutSettings(Settings):
    """The rollout dataset (paper section 4.2)."""

    start_rollouts: NotNegative = 10
    """Episodes a snippet from its start (S): 100 in the large dataset, 10 in the small one."""
    rsi_rollouts: NotNegative = 10
    """Episodes a snippet from random steps of it (R): 100 in the large dataset, 10 in the small one."""
    min_steps: Positive = 30
    """Random starts lie at least this many steps before the end, or as many as a short snippet has."""
    noise: Rate = 0.1
    """Standard deviation of the sampled actions."""
    observables: Literal["all", "proprioception"] | list[str] = "all"
    """What is stored: all 2868 numbers, as published; the 308 from which, with the clip, the others are restored when
    they are needed (proprioception); or a list of observables, named as in dm_control without `walker/`, among them
    those that the policies of `distillation` see."""
    cameras: list[Literal["egocentric_camera", "body_camera"]] = []
    """Pictures to store as well, 64 x 64 pixels of each state. Needs EGL or OSMesa."""
    compression: Annotated[int, Field(ge=0, le=9)] = 0
    """Level of gzip, 1 to 9. 0 stores arrays as they are, which training reads without a copy."""
    workers: Positive = 64
    """Worlds simulated side by side."""
    threads: Positive = 1
    """Threads of the simulation in one job. Results do not depend on it."""


class MultiClipSettings(Settings):
    """What all policies for all snippets share, trained on the rollouts (paper section 5.1, Table 6)."""

    weighting: Literal["bc", "cwr", "awr", "rwr"] = "rwr"
    """bc: all alike; cwr, awr, rwr: by the exponential of clip return, advantage, or value plus advantage."""
    subset: str | list[str] = "all"
    """Snippets to train on, named as in clips.subset."""
    temperature: Rate | None = None
    """Lambda of the weights. Empty: 0.2 for cwr, 8 for awr, 4 for rwr."""
    sequence: Positive = 30
    """Steps of a training sequence."""
    batch: Positive = 256
    """Sequences a gradient step."""
    learning_rate: Rate = 5e-4
    max_grad_norm: Rate = 1.0
    gradient_steps: Positive = 50_000


class MLPSettings(MultiClipSettings):
    """A plain network. It sees the reference, or of the motion only the time in the clip, as the experts do; the latter
    cannot tell clips apart."""

    kind: Literal["reference_mlp", "time_indexed_mlp"]
    hidden: list[Positive] = [1024, 1024, 1024]


class HierarchicalSettings(MultiClipSettings):
    """An encoder of the reference to an intention and a decoder to actions, both without memory and chance."""

    kind: Literal["hierarchical_mlp"]
    intention_size: Positive = 60
    """Size of the intention."""
    encoder_hidden: list[Positive] = [1024, 1024]
    decoder_hidden: list[Positive] = [1024, 1024, 1024]


class NPMPSettings(MultiClipSettings):
    """A stochastic, recurrent encoder of the reference to a motor intention and a decoder to actions."""

    kind: Literal["npmp"] = "npmp"
    intention_size: Positive = 60
    """Size of the motor intention z: 60 in general, 20 on the Locomotion subset."""
    encoder_hidden: list[Positive] = [1024, 1024]
    decoder_hidden: list[Positive] = [1024, 1024, 1024]
    beta: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the KL divergence from the prior."""
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Autoregressive parameter of the prior."""


class MCPSettings(MultiClipSettings):
    """Multiplicative compositional policies: a gating network that sees the reference weighs Gaussian primitives."""

    kind: Literal["mcp"]
    primitives: Positive = 8
    """How many there are."""
    gating_hidden: list[Positive] = [512, 512]
    shared_hidden: list[Positive] = [512, 512]
    """Hidden layers that the primitives have in common."""
    primitive_hidden: list[Positive] = [512]
    """Hidden layers of each primitive on top of those."""
    min_std: Rate = 0.01
    """Smallest standard deviation of a primitive."""


class GPTSettings(Settings):
    """A GPT for motion completion, trained on the rollouts (paper section 5.2, Table 8)."""

    kind: Literal["gpt"]
    subset: str | list[str] = "all"
    """Snippets to train on, named as in clips.subset."""
    block: Positive = 32
    """Context in control steps."""
    embedding: Positive = 768
    layers: Positive = 8
    heads: Positive = 8
    dropout: Fraction = 0.1
    batch: Positive = 256
    learning_rate: Rate = 3e-6
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    max_grad_norm: Rate = 1.0
    gradient_steps: Positive = 2_000_000


Policy = Annotated[
    MLPSettings | HierarchicalSettings | NPMPSettings | MCPSettings | GPTSettings, Field(discriminator="kind")
]
KINDS: dict[str, type[Settings]] = {
    kind: model
    for model in get_args(get_args(Policy)[0])
    for kind in get_args(model.model_fields["kind"].annotation)
}
"""The settings of each kind of policy."""


class DistillationSettings(Settings):
    """Policies learned from the rollouts, by name. Each becomes a folder in results/distillation."""

    policies: dict[Name, Policy] = {
        "rwr": NPMPSettings(weighting="rwr"),
        "gpt": GPTSettings(kind="gpt"),
    }
    evaluation_episodes: Positive = 1000
    """Episodes of the multi-clip evaluation, spread evenly over the snippets."""
    completion_steps: Positive = 500
    """Longest motion completion after the prompt, in control steps."""
    completions_per_snippet: Positive = 1
    """Motion completions from each snippet, each from its own prompt."""
    workers: Positive = 64
    """Worlds simulated side by side."""
    threads: Positive = 2
    """Threads of simulation and network in one job. On the CPU results depend on it in the last bits."""


class LowLevelSettings(Settings):
    """What stands between the task policy and the humanoid."""

    policy: str | None = None
    """The npmp policy (a name in distillation.policies) whose decoder is used: of the other kinds none can be a low-level
    policy. Empty: actions move the humanoid directly."""
    initial_std: Rate = 2.5
    """Initial standard deviation of the task policy: 2.5 with a low-level policy, 0.5 without."""
    max_action: Rate = 3.0
    """Largest magnitude of an action element: 3 with a low-level policy, 1 without."""
    entropy_coefficient: Annotated[float, Field(ge=0)] = 1e-4
    """1e-4 for the general low-level policy and for none, 1e-3 for the locomotion one."""


class TransferSettings(Settings):
    """Reinforcement learning of new tasks on top of a low-level policy (paper section 5.1.2, Table 7)."""

    tasks: list[Literal["go_to_target", "velocity_control"]] = ["go_to_target", "velocity_control"]
    low_level: dict[Name, LowLevelSettings] = {
        "general": LowLevelSettings(policy="rwr"),
        "none": LowLevelSettings(initial_std=0.5, max_action=1.0),
    }
    """Low-level policies to compare, by name."""
    seeds: list[NotNegative] = [0]
    """One training run a task, low-level policy and seed."""
    total_steps: Positive = 150_000_000
    hidden: list[Positive] = [1024, 1024, 1024]
    workers: Positive = 32
    steps_per_update: Positive = 16_384
    epochs: Positive = 10
    minibatch: Positive = 1024
    learning_rate: Rate = 5e-5
    clip_range: Rate = 0.2
    gamma: Fraction = 0.99
    gae_lambda: Fraction = 0.95
    target_kl: Rate = 0.3
    """Updates stop early when the KL divergence exceeds this."""
    max_grad_norm: Rate = 1.0
    checkpoint_every: Positive = 500_000
    """Environment steps between checkpoints, from which an interrupted training goes on. When they are made does
    not influence the result."""
    evaluation_episodes: Positive = 32
    threads: Positive = 1
    """Threads of simulation and network in one job. On the CPU results depend on it in the last bits."""


class FigureSettings(Settings):
    """Tables, figures and videos."""

    names: list[
        Literal[
            "table_1",
            "table_2",
            "table_3",
            "table_4",
            "figure_3",
            "figure_6",
            "figure_7",
            "figure_8",
            "figure_9",
        ]
    ] = [
        "table_1",
        "table_2",
        "table_3",
        "table_4",
        "figure_3",
        "figure_6",
        "figure_7",
        "figure_8",
        "figure_9",
    ]
    """The tables and figures of the paper to draw."""
    table_2: list[str] = ["rwr"]
    """The npmp policies of Table 2. Those of the same weighting count as its seeds."""
    figure_6: str = "rwr"
    """The npmp policy of Fig. 6; the snippets that it was not trained on are its validation set."""
    completion: str = "gpt"
    """The gpt policy of Table 4 and Figs. 8 and 9."""
    videos: bool = True
    """Also render a video and a row of poses of each expert beside its reference. Needs EGL or OSMesa."""


class Config(Settings):
    """The whole configuration: one section a stage."""

    results: str = "results"
    """Folder of all results."""
    seed: NotNegative = 1
    """Seed of everything random but transfer, which has its own. 0 is a seed like any other."""
    clips: ClipSettings = ClipSettings()
    tracking: TrackingSettings = TrackingSettings()
    experts: ExpertSettings = ExpertSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    rollouts: RolloutSettings = RolloutSettings()
    distillation: DistillationSettings = DistillationSettings()
    transfer: TransferSettings = TransferSettings()
    figures: FigureSettings = FigureSettings()


def parse_config(content: dict[str, Any], origin: str = "config.yaml") -> Config:
    """Validate the content of a configuration file.

    Raises:
        InputError: names every wrong key or value, where it stands and what is allowed there.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise InputError(f"{origin} cannot be used: {problems}.") from None


def load_config(*paths: str | Path) -> Config:
    """Read configuration files, each laid over the one before."""
    content: dict[str, Any] = {}
    for path in paths:
        try:
            layer = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (FileNotFoundError, IsADirectoryError):
            raise InputError(f"There is no configuration file {path}.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
        if not isinstance(layer, dict):
            raise InputError(f"{path} holds no settings; those in config.yaml show what it should look like.")
        content = overlay(content, layer)
    return parse_config(content, origin=str(paths[-1]) if paths else "config.yaml")


def check_config(config: Config) -> None:
    """Raise InputError when settings do not fit each other."""
    for name, section in (("experts", config.experts), ("transfer", config.transfer)):
        _check_multiple(
            f"{name}.steps_per_update", section.steps_per_update, f"{name}.workers", section.workers
        )
    for name, policy in config.distillation.policies.items():
        if policy.kind == "gpt":
            where = f"distillation.policies.{name}"
            _check_multiple(f"{where}.embedding", policy.embedding, f"{where}.heads", policy.heads)
    if config.experts.source == "zoo" and config.experts.zoo is None:
        raise InputError(
            "experts.source is zoo, but experts.zoo does not say where that is. Name its folder."
        )
    if config.experts.target_kl is not None and len(config.experts.learning_rate) > 1:
        raise InputError(
            "experts.learning_rate lists a step size for each part of the training, but experts.target_kl adapts it. "
            "Give one step size, or set experts.target_kl to null."
        )
    _check_policies(config)


def _check_multiple(name: str, value: int, of: str, divisor: int) -> None:
    if value % divisor:
        raise InputError(f"{name} is {value}, which is no multiple of {of}, {divisor}. Choose one that is.")


def _check_policies(config: Config) -> None:
    """Sections may only name policies that distillation.policies has, of the kind that they can use."""
    asked = [
        ("figures.figure_6", config.figures.figure_6, "npmp"),
        ("figures.completion", config.figures.completion, "gpt"),
    ]
    asked += [("figures.table_2", name, "npmp") for name in config.figures.table_2]
    asked += [
        (f"transfer.low_level.{name}.policy", low_level.policy, "npmp")
        for name, low_level in config.transfer.low_level.items()
        if low_level.policy
    ]
    for where, name, kind in asked:
        existing = [
            policy for policy, settings in config.distillation.policies.items() if settings.kind == kind
        ]
        if name not in existing:
            raise InputError(
                f"{where} is {name!r}, but must be of the kind {kind}, and the {kind} policies in "
                f"distillation.policies are {', '.join(existing) or 'none'}. Name one of them or add {name!r} there."
            )


def overlay(base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `layer` laid over it, section by section (as Snakemake does)."""
    merged = dict(base)
    for key, value in layer.items():
        old = merged.get(key)
        merged[key] = overlay(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def schema() -> dict[str, Any]:
    """The JSON schema of config.yaml, for editors."""
    return Config.model_json_schema()


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1])
        return f"{where} is not a setting (the nearest are {nearest(str(problem['loc'][-1]), known)})"
    return f"{where} is {problem['input']!r}, but {_lower_first(problem['msg'])}"


def _keys_at(location: tuple) -> list[str]:
    """The settings that exist in the section at `location`."""
    model: Any = Config
    for part in location:
        if part in KINDS:
            model = KINDS[part]
        elif part in getattr(model, "model_fields", {}):
            model = model.model_fields[part].annotation
        elif "LowLevelSettings" in str(model):
            model = LowLevelSettings
    return sorted(model.model_fields) if hasattr(model, "model_fields") else []


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
