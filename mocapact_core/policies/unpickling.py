"""Reading the few pickles that published files are made of, without trusting them.

A pickle is a program that calls what it names. Here it can name plain containers, which are built for real, and the
classes of stable-baselines3, gym and gymnasium, which become `Record`s that merely hold attributes. Arrays of numbers
are made from their bytes by the functions below, not by numpy's own: those build arrays of forged pointers when asked.
Anything else is refused.

A npz of MoCapAct's holds dicts, each pickled as an array of one object; no other array of objects is read.
"""

import io
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict, deque
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from mocapact_core.errors import InputError

_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
MAX_TUPLES = 100_000
"""One in the other, more of them are too deep for Python's stack: it breaks down on using them as a key."""
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


class Dtype:
    """A type of numbers. Not numpy's own, whose state decides how memory is read."""

    def __init__(self, code: str, *_: Any):
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise pickle.UnpicklingError(f"arrays of {code!r} are not allowed")
        self.real: np.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        """State is (version, byte order, ...); numbers need no more of it."""
        if state[1] in ("<", ">"):
            self.real = self.real.newbyteorder(state[1])


class _Objects:
    """The type of an array of Python objects; only pickles in a npz can name it."""

    def __setstate__(self, state: tuple) -> None:
        """What it says of itself is known."""


def _numbers_or_objects(code: str, *_: Any) -> Dtype | _Objects:
    return _Objects() if code == "O8" else Dtype(code)


class _Array(np.ndarray):
    """An array as it is built: empty at first, then with a shape and content."""

    def __setstate__(self, state: tuple) -> None:  # type: ignore[override]
        _, shape, dtype, fortran, content = state
        if isinstance(dtype, _Objects):
            if shape != ():
                raise pickle.UnpicklingError("arrays of several objects are not allowed")
            [held] = content  # numpy itself would not count them
            super().__setstate__((1, (), np.dtype(object), False, [held]))  # type: ignore[arg-type]
        elif isinstance(content, bytes):
            super().__setstate__((1, shape, _real(dtype), bool(fortran), content))  # type: ignore[arg-type]
        else:
            raise pickle.UnpicklingError(f"arrays made of {type(content).__name__} are not allowed")


class Function:
    """A function that a pickle can call, and do nothing else with: it could set attributes of a real one."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("functions have no state")


def _real(dtype: Any) -> np.dtype:
    if not isinstance(dtype, Dtype):
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
    ("builtins", "getattr"): Function(_attribute),
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "deque"): deque,
    ("numpy", "ndarray"): Function(_refuse),  # named as an argument of `_reconstruct`
    ("numpy", "dtype"): Dtype,
    ("numpy._core.multiarray", "_reconstruct"): Function(_empty_array),
    ("numpy._core.multiarray", "scalar"): Function(_scalar),
    ("numpy._core.numeric", "_frombuffer"): Function(_array),
}


class RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = re.sub(r"^numpy\.core\b", "numpy._core", module)  # its name before numpy 2
        if (module, name) in _REAL:
            return _REAL[module, name]
        if f"{module}.".startswith(_RECORDS):
            return Record
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


class _NpzUnpickler(RestrictedUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return Function(_numbers_or_objects)
        return super().find_class(module, name)


def unpickle(unpickler: type[pickle.Unpickler], content: bytes) -> Any:
    """Run a pickle. One may number what it wants to remember, and Python makes room for as many objects: not for
    more than the pickle has bytes.
    """
    n_tuples = 0
    for opcode, number, _ in pickletools.genops(content):
        n_tuples += opcode.name.startswith("TUPLE")
        if n_tuples > MAX_TUPLES:
            raise pickle.UnpicklingError(f"it has more than {MAX_TUPLES} tuples")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (number or 0) > len(content):
            raise pickle.UnpicklingError(f"it has {len(content)} bytes, but would remember {number} objects")
    return unpickler(io.BytesIO(content)).load()


def load_pickle(path: str | PathLike) -> Any:
    """Read a pickle of stable-baselines3 with the restricted unpickler.

    Raises:
        InputError: the file is missing, cut, or holds what no such file should hold.
    """
    try:
        return unpickle(RestrictedUnpickler, Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a stable-baselines3 pickle ({error}). It is damaged or not what its "
            "name says; delete it so that it is made again, or fetch it again."
        ) from None


def load_npz(path: str | PathLike) -> dict[str, Any]:
    """Read a npz: its arrays of numbers and text, and where an array holds one object, that object.

    Raises:
        InputError: the file is missing, cut, or holds what no such file should hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _read_member(archive, name) for name in archive.namelist()}
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as npz ({type(error).__name__}: {error}). It is damaged or not what its name "
            "says; delete it so that it is made again, or fetch it again."
        ) from None


def _read_member(archive: zipfile.ZipFile, name: str) -> Any:
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with archive.open(name) as file:
        shape, _, dtype = read_header[np.lib.format.read_magic(file)](file)
        if dtype.kind != "O":
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        array = unpickle(_NpzUnpickler, file.read())
        if shape != () or not isinstance(array, _Array):
            raise pickle.UnpicklingError("arrays of several objects are not allowed")
        return array.item()


def numbers(values: Any, kind: DTypeLike = np.float64) -> np.ndarray:
    """What was unpickled as an array of numbers. Nothing else may reach numpy, which asks objects where in memory
    they keep theirs.

    Raises:
        TypeError: these are no numbers.
    """
    if (
        not isinstance(values, (np.ndarray, np.number, float, int))
        or np.asarray(values).dtype.kind not in "biuf"
    ):
        raise TypeError(f"{type(values).__name__} where numbers should be")
    return np.array(values, kind)
