"""The whole configuration, read from config.yaml and the presets over it, and checked.

`config/schema.json` is made from it, and the command line takes its defaults from it.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mocapact_core.errors import InputError, nearest
from mocapact_core.settings import (
    KINDS,
    ClipSettings,
    ClusterSettings,
    DistillationSettings,
    EvaluationSettings,
    ExpertSettings,
    FigureSettings,
    LowLevelSettings,
    NotNegative,
    NPMPSettings,
    RolloutSettings,
    Settings,
    TrackingSettings,
    TransferSettings,
)


class Config(Settings):
    """The whole configuration: one section a stage."""

    results: str = "results"
    """Folder of all results."""
    seed: NotNegative = 1
    """Seed of everything random but policies and transfer, which have their own. 0 is a seed like any other."""
    clips: ClipSettings = ClipSettings()
    tracking: TrackingSettings = TrackingSettings()
    experts: ExpertSettings = ExpertSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    rollouts: RolloutSettings = RolloutSettings()
    distillation: DistillationSettings = DistillationSettings()
    transfer: TransferSettings = TransferSettings()
    figures: FigureSettings = FigureSettings()
    cluster: ClusterSettings = ClusterSettings()


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
    clips = Path(config.results) / "clips"
    if config.clips.path and Path(config.clips.path).resolve().is_relative_to(clips.resolve()):
        raise InputError(
            f"clips.path is {config.clips.path}, but the run writes its own clips into {clips}, over it. Copy it "
            "elsewhere, or set results to another folder."
        )
    for name, section in (("experts", config.experts), ("transfer", config.transfer)):
        _check_multiple(
            f"{name}.steps_per_update", section.steps_per_update, f"{name}.workers", section.workers
        )
    for name, policy in config.distillation.policies.items():
        where = f"distillation.policies.{name}"
        if policy.validation is not None and not policy.evaluate_every:
            raise InputError(
                f"{where}.validation names snippets, but {where}.evaluate_every is 0, so that nothing would ever be "
                "evaluated on them. Give a number of gradient steps, or set validation to null."
            )
        if policy.kind == "gpt":
            _check_multiple(f"{where}.embedding", policy.embedding, f"{where}.heads", policy.heads)
            if config.distillation.window_stride > policy.block:
                raise InputError(
                    f"distillation.window_stride is {config.distillation.window_stride}, but {where}.block is "
                    f"{policy.block}: a GPT cannot forget more than it sees. Choose a stride of at most that."
                )
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
    _check_compared(config)
    for name in config.figures.names:
        if missing := what_is_missing(config, name):
            raise InputError(f"figures.names asks for {name}, which cannot be drawn: {missing}")


def what_is_missing(config: Config, name: str) -> str | None:
    """What a table or figure of the paper lacks to be drawn, and which setting gives it; None: nothing."""
    policies, figures = config.distillation.policies, config.figures
    if name in ("table_2", "figure_15") and not figures.table_2:
        return "figures.table_2 is empty. Name npmp policies there."
    if name == "figure_4" and not figures.figure_4:
        return "figures.figure_4 is empty. Name snippets there, or say how many."
    compared = [policies[policy] for policy in figures.figure_16]
    alphas = {policy.alpha for policy in compared if isinstance(policy, NPMPSettings)}
    if name == "figure_16" and len(alphas) < 2:
        return (
            "it compares npmp policies of different alpha. Add such to distillation.policies and name them in "
            "figures.figure_16."
        )
    followed = {"figure_15": figures.table_2, "figure_16": figures.figure_16}.get(name, [])
    unfollowed = [policy for policy in followed if not policies[policy].evaluate_every]
    if unfollowed:
        return (
            f"it shows evaluations during training, and distillation.policies.{unfollowed[0]}.evaluate_every is 0. "
            "Say after how many gradient steps there is one."
        )
    return None


def _check_multiple(name: str, value: int, of: str, divisor: int) -> None:
    if value % divisor:
        raise InputError(f"{name} is {value}, which is no multiple of {of}, {divisor}. Choose one that is.")


def _check_policies(config: Config) -> None:
    """Sections may only name policies that distillation.policies has, of the kind that they can use."""
    asked = [
        ("figures.figure_6", config.figures.figure_6, "npmp"),
        ("figures.figure_18", config.figures.figure_18, "npmp"),
        ("figures.completion", config.figures.completion, "gpt"),
    ]
    asked += [("figures.table_2", name, "npmp") for name in config.figures.table_2]
    asked += [("figures.figure_16", name, "npmp") for name in config.figures.figure_16]
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


def _check_compared(config: Config) -> None:
    """Policies that are compared by a setting differ in it: two that do not would count as seeds of one."""
    figures = config.figures
    for where, names, setting in (
        ("figures.table_2", figures.table_2, "weighting"),
        ("figures.figure_16", figures.figure_16, "alpha"),
    ):
        seen: dict[object, str] = {}
        for name in names:
            value = getattr(config.distillation.policies[name], setting)
            if value in seen:
                raise InputError(
                    f"{where} names {seen[value]} and {name}, both with {setting} {value}: it compares policies of "
                    "different ones. Name one of the two; trainings of one policy are its seeds."
                )
            seen[value] = name


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
