"""Reading the few pickles that published files are made of, without trusting them.

Only plain containers and numpy arrays are built for real; the classes of stable-baselines3, gym and
gymnasium become `Record`s that merely hold their attributes. Anything else is refused.
"""

import io
import pickle
from os import PathLike
from pathlib import Path
from typing import Any

from mocapact_core.errors import InputError

_REAL = {
    ("builtins", name) for name in ("dict", "list", "tuple", "set", "int", "float", "bool", "str", "slice")
} | {
    ("collections", "OrderedDict"),
    ("collections", "deque"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
}
_RECORDS = ("stable_baselines3.", "gym.", "gymnasium.", "mocapact.", "numpy.random")


class Record:
    """Stands for an object of a class that is not loaded; its attributes are those that were pickled."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.__dict__.update(kwargs)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def _reconstructor(cls: type, base: type, state: Any) -> Any:
    """What `copyreg._reconstructor` does, for records only."""
    if cls is not Record or base is not object:
        raise pickle.UnpicklingError("only plain objects are rebuilt")
    return Record()


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("copyreg", "_reconstructor"):
            return _reconstructor
        if (module, name) == ("builtins", "object"):
            return object
        if (module, name) in _REAL:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
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
