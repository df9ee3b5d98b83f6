"""Reading the few pickles that published files are made of, without trusting them.

A pickle is a program that calls what it names. Here it can name plain containers, which are built for real, and the
classes of stable-baselines3, gym and gymnasium, which become `Record`s that merely hold attributes. Arrays of numbers
are made from their bytes by the functions below, not by numpy's own: those build arrays of forged pointers when asked.
Anything else is refused.
"""

import io
import pickle
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.errors import InputError

_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_RECORDS = ("stable_baselines3.", "gym.", "gymnasium.", "mocapact.", "numpy.random.")


class Record:
    """Stands for an object of a class that is not loaded; its attributes are those that were pickled."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.__setstate__(kwargs)

    def __setstate__(self, state: Any) -> None:
        """Take over attributes, but none that Python or numpy would give a meaning to."""
        if isinstance(state, dict):
            self.__dict__.update(
                {key: value for key, value in state.items() if not str(key).startswith("__")}
            )


class _Dtype:
    """A type of numbers. Not numpy's own, whose state decides how memory is read."""

    def __init__(self, code: str, *_: Any):
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise pickle.UnpicklingError(f"arrays of {code!r} are not allowed")
        self.real: np.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        """State is (version, byte order, ...); numbers need no more of it."""
        if state[1] in ("<", ">"):
            self.real = self.real.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array as it is built: empty at first, then with a shape and content."""

    def __setstate__(self, state: tuple) -> None:  # type: ignore[override]
        _, shape, dtype, fortran, content = state
        super().__setstate__((1, shape, _real(dtype), bool(fortran), bytes(content)))  # type: ignore[arg-type]


class _Function:
    """A function that a pickle can call, and do nothing else with: it could set attributes of a real one."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("functions have no state")


def _real(dtype: Any) -> np.dtype:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("an array has no type of numbers")
    return dtype.real


def _empty_array(*_: Any) -> np.ndarray:
    return _Array(0)


def _scalar(dtype: Any, content: bytes) -> Any:
    return np.frombuffer(content, _real(dtype), count=1)[0]


def _array(content: bytes, dtype: Any, shape: tuple, order: str) -> np.ndarray:
    values = np.frombuffer(content, _real(dtype))
    return values.reshape(shape, order="F" if order == "F" else "C").copy().view(_Array)


def _refuse(*_: Any) -> None:
    raise pickle.UnpicklingError("numpy.ndarray is not allowed to be called")


def _attribute(owner: Any, name: str) -> Any:
    """`getattr`, by which old protocols name what is inside of a class."""
    if owner is not Record:
        raise pickle.UnpicklingError("attributes of real objects are not given out")
    return Record


_REAL: dict[tuple[str, str], Any] = {
    ("builtins", "dict"): dict,
    ("builtins", "list"): list,
    ("builtins", "tuple"): tuple,
    ("builtins", "set"): set,
    ("builtins", "getattr"): _Function(_attribute),
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "deque"): deque,
    ("numpy", "ndarray"): _Function(_refuse),  # named as an argument of `_reconstruct`
    ("numpy", "dtype"): _Dtype,
    ("numpy._core.multiarray", "_reconstruct"): _Function(_empty_array),
    ("numpy._core.multiarray", "scalar"): _Function(_scalar),
    ("numpy._core.numeric", "_frombuffer"): _Function(_array),
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = re.sub(r"^numpy\.core\b", "numpy._core", module)  # its name before numpy 2
        if (module, name) in _REAL:
            return _REAL[module, name]
        if f"{module}.".startswith(_RECORDS):
            return Record
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def load_pickle(path: str | PathLike) -> Any:
    """Read a pickle of stable-baselines3 with the restricted unpickler.

    Raises:
        InputError: the file is missing, cut, or holds what no such file should hold.
    """
    try:
        return _RestrictedUnpickler(io.BytesIO(Path(path).read_bytes())).load()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a stable-baselines3 pickle ({error}). It is damaged or not what its "
            "name says; delete it so that it is made again, or fetch it again."
        ) from None
