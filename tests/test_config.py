"""The configuration files: valid, complete, commented, and in step with the code and with each other."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from mocapact_core.config import Config, check_config, load_config, overlay, parse_config, schema
from mocapact_core.errors import InputError
from mocapact_core.settings import GPTSettings, MCPSettings, NPMPSettings

ROOT = Path(__file__).parent.parent
PRESETS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def missing(expected: object, content: object, where: str = "") -> list[str]:
    """Names of the settings in `expected` that `content` does not have."""
    if not isinstance(expected, dict):
        return []
    assert isinstance(content, dict), where
    lacking = [f"{where}{key}" for key in expected if key not in content]
    return lacking + [
        name
        for key in expected
        if key in content
        for name in missing(expected[key], content[key], f"{where}{key}.")
    ]


def test_config_yaml_shows_every_setting():
    content = read(ROOT / "config.yaml")
    config = parse_config(content)
    check_config(config)
    assert missing(config.model_dump(mode="json"), content) == []


def test_config_yaml_comments_every_setting():
    lines = (ROOT / "config.yaml").read_text().splitlines()
    for before, line in pairwise(lines):
        names_something = line.strip() and not line.strip().startswith("#")
        is_group = line.split("#")[0].rstrip().endswith(":") and line.startswith("  ")
        assert not names_something or is_group or "#" in line or before.strip().startswith("#"), line


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid(preset):
    check_config(load_config(ROOT / "config.yaml", ROOT / "config" / preset))


def test_the_paper_preset_is_published():
    """Tables 5 to 8, against the numbers as printed there."""
    config = load_config(ROOT / "config.yaml", ROOT / "config" / "paper.yaml")
    experts = config.experts.model_dump()
    assert (
        experts
        | {
            "total_steps": 150_000_000,
            "hidden": [1024] * 3,
            "steps_per_update": 8192,
            "epochs": 10,
            "minibatch": 512,
            "clip_range": 0.25,
            "gae_lambda": 0.95,
            "gamma": 0.95,
            "max_grad_norm": 1,
            "learning_rate": [1e-5, 6e-6, 3e-6],
            "evaluate_every": 1_000_000,
            "evaluation_episodes": 1000,
            "evaluation_start_episodes": 100,  # released code
            "target_kl": None,
            "critic": "plain",
            "bootstrap_at_end": False,
            "start_share": 0,
            "warm_start": "none",
            "workers": 64,
            "early_stop": "paper",
            "early_stop_steps": 10_000_000,
            "min_steps": 10,
            "noise": 0.1,
        }
        == experts
    )
    table_6 = {
        "learning_rate": 5e-4,
        "sequence": 30,
        "batch": 256,
        "max_grad_norm": 1,
        "beta": 0.1,
        "alpha": 0,
        "encoder_hidden": [1024] * 2,
        "decoder_hidden": [1024] * 3,
    }
    policies = config.distillation.policies
    for name in ("bc", "cwr", "awr", "rwr", "locomotion"):
        policy = policies[name].model_dump()
        assert policy | table_6 == policy
        assert policy["intention_size"] == (20 if name == "locomotion" else 60)
        assert policy["weighting"] == ("rwr" if name == "locomotion" else name)
    transfer = config.transfer.model_dump()
    assert (
        transfer
        | {
            "total_steps": 150_000_000,
            "steps_per_update": 16_384,
            "epochs": 10,
            "minibatch": 1024,
            "clip_range": 0.2,
            "target_kl": 0.3,
            "gae_lambda": 0.95,
            "gamma": 0.99,
            "max_grad_norm": 1,
            "learning_rate": 5e-5,
            "workers": 32,
            "hidden": [1024] * 3,
        }
        == transfer
    )
    assert len(transfer["seeds"]) == 5
    low_level = {name: tuple(settings.values())[1:] for name, settings in transfer["low_level"].items()}
    assert low_level == {"general": (2.5, 3, 1e-4), "locomotion": (2.5, 3, 1e-3), "none": (0.5, 1, 1e-4)}
    gpt = policies["gpt"].model_dump()
    assert (
        gpt
        | {
            "learning_rate": 3e-6,
            "batch": 256,
            "max_grad_norm": 1,
            "dropout": 0.1,
            "block": 32,
            "embedding": 768,
            "heads": 8,
            "layers": 8,
            "weight_decay": 0.1,
            "gradient_steps": 2_000_000,
        }
        == gpt
    )


def test_the_schema_is_in_step():
    on_disk = json.loads((ROOT / "config" / "schema.json").read_text())
    assert on_disk == schema(), "run: python -m mocapact_core schema > config/schema.json"


def test_the_schema_accepts_config_yaml():
    import jsonschema

    jsonschema.validate(read(ROOT / "config.yaml"), schema())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"clip": {}}, ["clip is not a setting", "clips"]),
        ({"experts": {"total_step": 5}}, ["experts.total_step is not a setting", "total_steps"]),
        ({"experts": {"total_steps": "many"}}, ["experts.total_steps is 'many'"]),
        ({"tracking": {"ref_steps": []}}, ["tracking.ref_steps is []", "at least 1 item"]),
        ({"clips": {"source": "c3d"}}, ["clips.source is 'c3d'", "builtin", "amc"]),
        (
            {"distillation": {"policies": {"x": {"kind": "gpt", "layer": 1}}}},
            ["layer is not a setting", "layers"],
        ),
        (
            {"distillation": {"policies": {"x": {"kind": "mcp", "primitve": 4}}}},
            ["primitve is not a setting", "primitives"],
        ),
        (
            {"distillation": {"policies": {"x": {"kind": "time_indexed_mlp", "beta": 0.1}}}},
            ["beta is not a setting"],
        ),
        (
            {"distillation": {"policies": {"x": {"kind": "mpc"}}}},
            ["mpc", "reference_mlp", "time_indexed_mlp", "hierarchical_mlp", "npmp", "mcp", "gpt"],
        ),
        ({"figures": {"names": ["figure_99"]}}, ["figure_99", "figure_9"]),
        ({"distillation": {"policies": {"a/b": {"kind": "npmp"}}}}, ["a/b"]),
    ],
)
def test_wrong_keys_and_types_are_named_with_what_is_allowed(content, words):
    with pytest.raises(InputError) as error:
        parse_config(content)
    assert all(word in str(error.value) for word in words), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"transfer": {"low_level": {"mine": {"policy": "gpt"}}}},
            ["transfer.low_level.mine.policy", "'gpt'", "rwr"],
        ),
        (
            {
                "distillation": {"policies": {name: {"kind": name} for name in ("npmp", "mcp", "gpt")}},
                "figures": {"figure_6": "npmp", "figure_18": "npmp", "table_2": ["npmp"]},
                "transfer": {"low_level": {"mine": {"policy": "mcp"}}},
            },
            ["transfer.low_level.mine.policy", "'mcp'", "must be of the kind npmp"],
        ),
        ({"figures": {"table_2": ["rwr", "bc"]}}, ["figures.table_2", "'bc'", "rwr"]),
        ({"figures": {"table_2": ["rwr", "rwr"]}}, ["figures.table_2", "both with weighting rwr"]),
        (
            {
                "distillation": {
                    "policies": {
                        "gpt": {"kind": "gpt"},
                        "rwr": {"kind": "npmp", "alpha": 0.5},
                        "other": {"kind": "npmp", "alpha": 0.5},
                    }
                },
                "figures": {"figure_16": ["rwr", "other"]},
            },
            ["figures.figure_16 names rwr and other", "alpha 0.5"],
        ),
        ({"figures": {"completion": "rwr"}}, ["figures.completion", "gpt"]),
        ({"figures": {"figure_16": ["gpt"]}}, ["figures.figure_16", "npmp", "rwr"]),
        ({"figures": {"names": ["figure_16"]}}, ["figures.names", "figure_16", "different alpha"]),
        ({"figures": {"names": ["table_2"], "table_2": []}}, ["table_2", "figures.table_2 is empty"]),
        ({"figures": {"figure_4": []}}, ["figure_4", "figures.figure_4 is empty"]),
        (
            {
                "distillation": {
                    "policies": {"rwr": {"kind": "npmp", "evaluate_every": 0}, "gpt": {"kind": "gpt"}}
                }
            },
            ["figure_15", "distillation.policies.rwr.evaluate_every is 0"],
        ),
        (
            {"clips": {"source": "hdf5", "path": "results/clips/all.hdf5"}},
            ["clips.path is results/clips/all.hdf5", "writes its own clips into results/clips"],
        ),
        ({"experts": {"workers": 60}}, ["experts.steps_per_update", "8192", "experts.workers", "60"]),
        ({"experts": {"learning_rate": [1e-4, 1e-5]}}, ["experts.learning_rate", "experts.target_kl"]),
        (
            {
                "distillation": {
                    "policies": {"rwr": {"kind": "npmp", "validation": "val", "evaluate_every": 0}}
                }
            },
            ["distillation.policies.rwr.validation", "distillation.policies.rwr.evaluate_every"],
        ),
        (
            {"distillation": {"policies": {"gpt": {"kind": "gpt", "heads": 7}}}},
            ["distillation.policies.gpt.embedding", "768", "heads", "7"],
        ),
        (
            {"distillation": {"policies": {"gpt": {"kind": "gpt", "block": 8}}, "window_stride": 9}},
            ["distillation.window_stride is 9", "distillation.policies.gpt.block is 8"],
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_named(content, words):
    with pytest.raises(InputError) as error:
        check_config(parse_config(content))
    assert all(word in str(error.value) for word in words), error.value


def test_files_are_laid_over_each_other(tmp_path):
    base, layer = tmp_path / "base.yaml", tmp_path / "layer.yaml"
    base.write_text("seed: 3\nexperts: {total_steps: 10, hidden: [8, 8]}\n")
    layer.write_text("experts: {hidden: [4]}\n")
    config = load_config(base, layer)
    assert (config.seed, config.experts.total_steps, config.experts.hidden) == (3, 10, [4])
    assert overlay({"a": {"b": 1}}, {"a": 2}) == {"a": 2}


def test_bad_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no configuration file .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match=r"no configuration file"):
        load_config(tmp_path)
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    with pytest.raises(InputError, match=r"bad\.yaml is not valid YAML.*line 2") as error:
        load_config(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)
    (tmp_path / "list.yaml").write_text("[1, 2]\n")
    with pytest.raises(InputError, match=r"list\.yaml holds no settings"):
        load_config(tmp_path / "list.yaml")


def test_defaults_of_a_new_policy_are_the_papers():
    """A preset that adds a policy by name gets Table 6 or Table 8."""
    assert NPMPSettings().decoder_hidden == [1024] * 3
    assert GPTSettings(kind="gpt").embedding == 768
    mcp = MCPSettings(kind="mcp")
    assert (mcp.primitives, mcp.gating_hidden, mcp.shared_hidden) == (8, [512] * 2, [512] * 2)
    assert (mcp.primitive_hidden, mcp.min_std) == ([512], 0.01)
    assert Config().seed == read(ROOT / "config.yaml")["seed"]
