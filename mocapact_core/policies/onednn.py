"""Networks of linear layers and tanh, computed in oneDNN: the same numbers to rounding, sooner.

PyTorch gives products of float32 matrices to MKL, which leaves AVX-512 aside on processors of AMD. It also ships
oneDNN, which does not: there layers of 1024 units cost less than half (`python -m benchmarks.training`).
"""

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

AVAILABLE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def use_onednn(network: nn.Module) -> None:
    """Have the linear layers of `network` computed in oneDNN, with the tanh that follows them in a Sequential.

    Parameters, their names and what is saved stay as they are. Where PyTorch lacks oneDNN, nothing changes.
    """
    if not AVAILABLE:
        return
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for index, (layer, activation) in enumerate(pairwise(module)):
                if isinstance(layer, nn.Linear) and isinstance(activation, nn.Tanh):
                    layer.__class__ = LinearTanh
                    module[index + 1] = nn.Identity()
        elif type(module) is nn.Linear:
            module.__class__ = Linear


class Linear(nn.Linear):
    """A linear layer for float32 inputs of shape (n, in_features)."""

    activation = "none"

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return _Layer.apply(input, self.weight, self.bias, self.activation)


class LinearTanh(Linear):
    """A linear layer and its tanh."""

    activation = "tanh"


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, activation: str) -> Any:
        x = x.contiguous()  # oneDNN is slow on cuts of a wider array
        y = _product(x, weight, bias, activation)
        ctx.activation = activation
        ctx.save_for_backward(x, weight, y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x, weight, y = ctx.saved_tensors
        gradient = gradient.contiguous()
        if ctx.activation == "tanh":
            gradient = torch.ops.aten.tanh_backward(gradient, y)
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        return (
            _product(gradient, weight.T) if of_x else None,
            _product(gradient.T, x.T) if of_weight else None,
            gradient.sum(dim=0) if of_bias else None,
            None,
        )


class InOneDNN(TorchFunctionMode):
    """Within, linear layers of any network and shape are computed in oneDNN, where PyTorch has it.

    For networks whose layers are also used in parts. Meant for float32 on the CPU; others are left as they are.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.linear and AVAILABLE and not kwargs and _is_plain(args[0]):
            x, weight, *bias = args
            # Of weights that are cut from wider ones, oneDNN would take a hundred times as long.
            y = _Layer.apply(x.flatten(0, -2), weight.contiguous(), bias[0] if bias else None, "none")
            return y.unflatten(0, x.shape[:-1])
        return func(*args, **(kwargs or {}))


def _is_plain(x: torch.Tensor) -> bool:
    here = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return here and x.dtype == torch.float32 and x.ndim > 1


def _product(
    x: torch.Tensor, weight: torch.Tensor, bias: Any = None, activation: str = "none"
) -> torch.Tensor:
    """(n, out) activation(x @ weight.T + bias)."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "")
