"""The settings of every stage: typed and documented. A section is named like the stage it belongs to."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
WarmStart = Annotated[str, Field(pattern=r"^(inverse_dynamics|balance|sampling|none)$|/")]
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
    """Start the policy at the actions that inverse dynamics asks for along the clip (inverse_dynamics); at these with
    feedback of the centre of mass, for motion that stays on its feet (balance); at actions that sampling in the simulator
    finds from there, for motion that inverse dynamics soon loses, at a minute or two of CPU more (sampling); at random
    weights (none); or at the weights and statistics of an expert with the same hidden layers. Then this is a folder, with
    a / in it: that of one expert, or one laid out like `zoo` that has the expert of each snippet."""
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


class PolicySettings(Settings):
    """What all policies learned from rollouts share."""

    subset: str | list[str] = "all"
    """Snippets to train on, named as in clips.subset."""
    batch: Positive = 256
    """Sequences a gradient step."""
    max_grad_norm: Rate = 1.0
    """Gradient norm at which gradients are clipped."""
    seeds: Annotated[list[NotNegative], Field(min_length=1)] = [0]
    """One training a seed. Where one training stands for the policy, it is that of the first."""
    validation: str | list[str] | None = None
    """Snippets to validate on, named as in clips.subset; none of them may be trained on."""
    evaluate_every: NotNegative = 5_000
    """Gradient steps between evaluations during training, by loss and in simulation; the best policy is kept. 0: never;
    then the policy is that of the last step."""
    evaluation_episodes: Positive = 64
    """Episodes (of a GPT: motion completions) of an evaluation during training, on the snippets of training, and as many
    on those of validation and on whole clips. A fifth as many start at the start."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of matrix products: bf16 by torch.autocast, or float32, which on a GPU are TF32. Parameters are float32 with both."""
    compile: bool = False
    """Compile the network for training (torch.compile). That takes a minute or more, and a C++ compiler on the CPU."""

    FOLLOWING: ClassVar[set[str]] = {"seeds"}
    """Settings that do not shape a policy: what to train belongs to the plan."""


class MultiClipSettings(PolicySettings):
    """What all policies for all snippets share (paper section 5.1, Table 6)."""

    weighting: Literal["bc", "cwr", "awr", "rwr"] = "rwr"
    """bc: all alike; cwr, awr, rwr: by the exponential of clip return, advantage, or value plus advantage."""
    temperature: Rate | None = None
    """Lambda of the weights. Empty: 0.2 for cwr, 8 for awr, 4 for rwr."""
    sequence: Positive = 30
    """Steps of a training sequence."""
    learning_rate: Rate = 5e-4
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


class GPTSettings(PolicySettings):
    """A GPT for motion completion, trained on the rollouts (paper section 5.2, Table 8)."""

    kind: Literal["gpt"]
    block: Positive = 32
    """Context in control steps."""
    embedding: Positive = 768
    layers: Positive = 8
    heads: Positive = 8
    dropout: Fraction = 0.1
    learning_rate: Rate = 3e-6
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    gradient_steps: Positive = 2_000_000
    evaluate_every: NotNegative = 100_000


Policy = Annotated[
    MLPSettings | HierarchicalSettings | NPMPSettings | MCPSettings | GPTSettings, Field(discriminator="kind")
]
KINDS: dict[str, type[Settings]] = {
    kind: model
    for model in get_args(get_args(Policy)[0])
    for kind in get_args(model.model_fields["kind"].annotation)
}
"""The settings of each kind of policy."""


PROMPT_STEPS = 32
"""Steps of the expert before GPT takes over (paper section 5.2). A snippet or an expert that ends before gives fewer."""


class DistillationSettings(Settings):
    """Policies learned from the rollouts, by name. Each becomes a folder a seed in results/distillation."""

    policies: dict[Name, Policy] = {
        "rwr": NPMPSettings(weighting="rwr"),
        "gpt": GPTSettings(kind="gpt"),
    }
    evaluation_episodes: Positive = 1000
    """Episodes of the multi-clip evaluation from random steps, spread evenly over the snippets; and as many on whole
    clips."""
    evaluation_noise: list[Literal["intention", "action"]] = ["intention"]
    """Noise that stays on in it: of the motor intention, as in Table 2, of the action, both or none. Only an npmp policy
    has the former."""
    completion_steps: Positive = 500
    """Longest motion completion after the prompt, in control steps."""
    completions_per_snippet: Positive = 1
    """Motion completions from each snippet, each from its own prompt."""
    window_stride: Positive = 1
    """Observations that a GPT forgets at once, the oldest, when its window is full. 1, as published: it always sees the
    last `block` of them. With more, what it has computed serves for as many steps: completions by a GPT of the paper's
    size are five times as fast with 8, seven times with 16. It then sees between block - window_stride + 1 and block
    observations."""
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
    stand: str | None = None
    """Clip of `clips.source` in whose first frame episodes begin: CMU_040_12 in the paper. Empty: the built-in stand."""
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
    evaluate_every: Positive = 1_000_000
    """Environment steps between evaluations during training; the best model so far is kept."""
    selection_episodes: Positive = 32
    """Episodes of an evaluation during training; none of them is among the final `evaluation_episodes`."""
    checkpoint_every: Positive = 500_000
    """Environment steps between checkpoints, from which an interrupted training goes on. When they are made does
    not influence the result."""
    evaluation_episodes: Positive = 32
    """Episodes of the evaluation of a finished training, the same for all trainings on a task."""
    threads: Positive = 1
    """Threads of simulation and network in one job. On the CPU results depend on it in the last bits."""

    FOLLOWING: ClassVar[set[str]] = {"tasks", "low_level", "seeds", "evaluation_episodes", "checkpoint_every"}
    """Settings that do not shape a task policy: what to train belongs to the plan, and `LowLevelSettings` stand for
    themselves."""


class ClusterSettings(Settings):
    """What jobs ask SLURM for (`snakemake --profile slurm`). Elsewhere this counts for nothing. It reruns nothing."""

    account: str | None = None
    """Account to charge. Empty: SBATCH_ACCOUNT, or SLURM's default."""
    partition: str | None = None
    """Partition of jobs without a GPU. Empty: SBATCH_PARTITION, or SLURM's default."""
    gpu: Annotated[str, Field(pattern=r"^gpu(:[A-Za-z0-9_.]+)?(:[0-9]+)?$")] | None = None
    """GPU of trainings of policies that would take more than an hour without, as in SLURM's --gres: gpu:1, gpu:a100:1.
    Empty: none."""
    gpu_partition: str | None = None
    """Partition of jobs with a GPU. Empty: `partition`."""
    gpu_teraflops: Rate | None = None
    """Floating-point operations a second, in units of 10^12, that `snakemake estimate` takes a GPU to reach in trainings.
    Empty: it tells no GPU-hours."""
    max_hours: Positive = 24
    """The longest time that a job asks for. Trainings that take longer go on in their next attempt."""


Drawing = Literal[
    "table_1",
    "table_2",
    "table_3",
    "table_4",
    "table_9",
    "figure_3",
    "figure_4",
    "figure_6",
    "figure_7",
    "figure_8",
    "figure_9",
    "figure_10",
    "figure_11",
    "figure_12",
    "figure_13",
    "figure_14",
    "figure_15",
    "figure_16",
    "figure_17",
    "figure_18",
]
"""The tables and figures of the paper that can be drawn."""


class FigureSettings(Settings):
    """Tables, figures and videos."""

    names: list[Drawing] = [name for name in get_args(Drawing) if name != "figure_16"]
    """The tables and figures of the paper to draw. Fig. 16 needs policies of different alpha."""
    table_2: list[str] = ["rwr"]
    """The npmp policies of Table 2 and Fig. 15, each of another weighting."""
    figure_4: Positive | list[str] = 3
    """The experts of Fig. 4: names of their snippets, or how many, spread evenly over all. Needs EGL or OSMesa."""
    figure_6: str = "rwr"
    """The npmp policy of Fig. 6; the snippets that it was not trained on are its validation set."""
    figure_16: list[str] = []
    """The npmp policies of Fig. 16, of different alpha. Empty: there are none, and no Fig. 16."""
    figure_18: str = "rwr"
    """The npmp policy of Figs. 17 and 18, evaluated on snippets and on whole clips."""
    completion: str = "gpt"
    """The gpt policy of Table 4, Figs. 8 and 9 and the videos of motion completions."""
    videos: bool = True
    """Also render videos, each with a row of poses. Needs EGL or OSMesa."""
    expert_videos: NotNegative = 10
    """Of so many experts beside their reference, spread evenly over all; others are made when asked for."""
    policy_videos: NotNegative = 3
    """Of the policy of Fig. 6 on so many snippets, spread evenly over all."""
    clip_videos: NotNegative = 1
    """Of the same policy on so many whole clips."""
    completion_videos: NotNegative = 3
    """Of motion completions from the starts of so many snippets, spread evenly over all."""
    transfer_videos: NotNegative = 4
    """Of so many pairs of a transfer task and a low-level policy, spread evenly over all: the first 15 s of an episode."""
