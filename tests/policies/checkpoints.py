"""Lightning checkpoints as MoCapAct's authors publish them, of networks written for these tests."""

import itertools
import sys
import types
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np
import torch
from stable_baselines3.common.running_mean_std import RunningMeanStd
from torch import nn

from mocapact_core.humanoid.observables import BASE, HIGH_LEVEL_SANS_REFERENCE, PREFIX
from mocapact_core.policies.parameters import SIZES

REFERENCE = ("reference_rel_bodies_pos_local", "reference_rel_bodies_quats")
FEATURES = {name: SIZES[name] for name in BASE} | {"body_height": 1, REFERENCE[0]: 3, REFERENCE[1]: 4}
"""Of each observable; those of the reference are few."""
_CLASSES = {
    "Box": "gym.spaces.box",
    "Dict": "gym.spaces.dict",
    "ConfigDict": "ml_collections.config_dict.config_dict",
    "CmuHumanoidFeaturesExtractor": "mocapact.sb3.features_extractor",
}


class Published(nn.Module):
    """What both policies share: the statistics of observables, which are no part of the weights."""

    def __init__(self, groups: dict):
        """`groups`: the observables of each input."""
        super().__init__()
        rng = np.random.default_rng(0)
        self.groups = groups
        self.statistics = {}
        for name, size in FEATURES.items():
            known = RunningMeanStd(shape=(size,))
            known.mean, known.var, known.count = (
                rng.normal(size=size),
                rng.uniform(0, 2, size) ** 4,
                np.array(99),
            )
            self.statistics[PREFIX + name] = known

    def see(self, observation: dict, group: str) -> torch.Tensor:
        parts = []
        for name in self.groups[group]:
            known = self.statistics[PREFIX + name]
            std = (known.var + 1e-8) ** 0.5
            value, mean = torch.as_tensor(observation[name]), torch.as_tensor(known.mean, dtype=torch.float32)
            parts.append((value - mean) / torch.as_tensor(std, dtype=torch.float32))
        return torch.cat(parts, dim=-1)

    def scramble(self):
        """No weight is near 0 or 1, so that none can be left out unnoticed."""
        torch.manual_seed(1)
        for values in self.parameters():
            nn.init.normal_(values, std=values.shape[-1] ** -0.5 if values.ndim > 1 else 0.3)
        return self


class PublishedNPMP(Published):
    def __init__(self, intention=3, encoder=(8, 8), decoder=(9, 9, 9)):
        groups = {"ref_encoder": (*HIGH_LEVEL_SANS_REFERENCE, *REFERENCE), "decoder": BASE}
        super().__init__(groups)
        self.intention = intention
        n_encoder, n_decoder = (
            sum(FEATURES[name] for name in groups[key]) for key in ("ref_encoder", "decoder")
        )
        self.reference_encoder = nn.Module()
        self.reference_encoder.encoder = perceptron([n_encoder + intention, *encoder, 2 * intention])
        self.action_decoder = perceptron([n_decoder + intention, *decoder, 56])
        self.scramble()

    def step(self, observation, before, noise):
        """Action and next intention."""
        seen = torch.cat([self.see(observation, "ref_encoder"), before], dim=-1)
        out = self.reference_encoder.encoder(seen)
        mean, log_std = out[..., : self.intention], out[..., self.intention :]
        intention = mean + log_std.exp() * noise
        action = self.action_decoder(torch.cat([self.see(observation, "decoder"), intention], dim=-1))
        return action.clip(-1, 1), intention

    def settings(self):
        return {"embed_size": self.intention, "activation_fn": "torch.nn.ELU", "layer_norm": True}


def perceptron(sizes):
    layers = []
    for inputs, outputs in itertools.pairwise(sizes[:-1]):
        layers.extend((nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.ELU()))
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]))


class Layer(nn.Module):
    def __init__(self, embedding, heads, block):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2, self.attn = nn.LayerNorm(embedding), nn.LayerNorm(embedding), nn.Module()
        for name in ("key", "query", "value", "proj"):
            setattr(self.attn, name, nn.Linear(embedding, embedding))
        self.attn.register_buffer("mask", torch.ones(block, block).tril()[None, None])
        self.mlp = nn.Sequential(
            nn.Linear(embedding, 4 * embedding), nn.GELU(), nn.Linear(4 * embedding, embedding)
        )

    def forward(self, x):
        """Attention head by head, of one sequence (T, embedding)."""
        seen, mixed = self.ln1(x), []
        query, key, value = (
            getattr(self.attn, name)(seen).chunk(self.heads, -1) for name in ("query", "key", "value")
        )
        for q, k, v in zip(query, key, value, strict=True):
            scores = q @ k.T / k.shape[-1] ** 0.5
            hidden = self.attn.mask[0, 0, : len(x), : len(x)] == 0
            mixed.append(scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v)
        x = x + self.attn.proj(torch.cat(mixed, -1))
        return x + self.mlp(self.ln2(x))


class PublishedGPT(Published):
    def __init__(self, block=4, embedding=12, heads=3, layers=2):
        super().__init__({"all": HIGH_LEVEL_SANS_REFERENCE})
        self.block, self.heads = block, heads
        self.gpt = nn.Module()
        self.gpt.tok_emb = nn.Linear(206, embedding)
        self.gpt.pos_emb = nn.Parameter(torch.zeros(1, block, embedding))
        self.gpt.blocks = nn.Sequential(*(Layer(embedding, heads, block) for _ in range(layers)))
        self.gpt.ln_f = nn.LayerNorm(embedding)
        self.gpt.head = nn.Linear(embedding, 56, bias=False)
        self.scramble()

    def act(self, observations):
        """The action (56,) after those, in time, of one episode."""
        seen = torch.stack([self.see(one, "all") for one in observations[-self.block :]])
        x = self.gpt.blocks(self.gpt.tok_emb(seen) + self.gpt.pos_emb[0, : len(seen)])
        return self.gpt.head(self.gpt.ln_f(x))[-1].clip(-1, 1)

    def settings(self):
        sizes = {"block_size": self.block, "n_head": self.heads, "activation_fn": "torch.nn.Tanh"}
        return sizes | {"embd_pdrop": 0.1, "resid_pdrop": 0.1, "attn_pdrop": 0.1, "betas": (0.9, 0.95)}


def content_of(policy, **settings):
    """What a checkpoint of `policy` holds, `settings` being other arguments than it was made with."""
    moments = {
        number: {"step": torch.tensor(9.0), "exp_avg": torch.zeros_like(values)}
        for number, values in enumerate(policy.parameters())
    }
    made = sys.modules["mocapact.sb3.features_extractor"]
    keys = {group: tuple(PREFIX + name for name in names) for group, names in policy.groups.items()}
    observables = keys["all"] if "all" in keys else _instance("ConfigDict", _fields=keys, _locked=False)
    boxes = OrderedDict((PREFIX + name, _box(np.inf, size)) for name, size in FEATURES.items())
    hyper_parameters = {
        "observation_space": _instance("Dict", spaces=boxes, dtype=None),
        "action_space": _box(1, 56),
        "observables": observables,
        "ref_steps": np.array([1, 2, 3, 4, 5]),
        "learning_rate": 5e-4,
        "squash_output": False,
        "recurrent_encoder": True,
        "std_dev": 0.1,
        "features_extractor_class": made.CmuHumanoidFeaturesExtractor,
        "features_extractor_kwargs": {"observable_keys": observables, "obs_rms": policy.statistics},
        "optimizer_class": torch.optim.Adam,
        "optimizer_kwargs": None,
        **policy.settings(),
        **settings,
    }
    return {
        "epoch": 3,
        "pytorch-lightning_version": "1.6.4",
        "state_dict": policy.state_dict(),
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5), "dirpath": "model"}},
        "optimizer_states": [{"state": moments, "param_groups": [{"lr": 5e-4, "params": list(moments)}]}],
        "hparams_name": "kwargs",
        "hyper_parameters": hyper_parameters,
    }


def write_checkpoint(path, policy, **settings):
    with published_classes():
        torch.save(content_of(policy, **settings), path)
    return path


@contextmanager
def published_classes():
    """Classes of packages that are not installed here, such as mocapact, for the time of writing."""
    packages = {
        module.rsplit(".", n)[0] for module in _CLASSES.values() for n in range(module.count(".") + 1)
    }
    before = {package: sys.modules.get(package) for package in packages}
    sys.modules.update({package: types.ModuleType(package) for package in packages})
    for name, module in _CLASSES.items():
        setattr(sys.modules[module], name, type(name, (), {"__module__": module}))
    try:
        yield
    finally:
        for package, module in before.items():
            if module is None:
                del sys.modules[package]
            else:
                sys.modules[package] = module


def _instance(name, **attributes):
    made = getattr(sys.modules[_CLASSES[name]], name)()
    made.__dict__.update(attributes)
    return made


def _box(limit, size):
    low, high = np.full(size, -limit, np.float32), np.full(size, limit, np.float32)
    return _instance(
        "Box", low=low, high=high, _shape=(size,), dtype=low.dtype, bounded_below=np.isfinite(low)
    )
