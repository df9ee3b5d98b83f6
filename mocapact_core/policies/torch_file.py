"""Files of `torch.save`, read without torch's own unpickler: it either runs what they hold, or refuses their classes.

Such a file is a zip. Its `data.pkl` tells what there is, and of each tensor where its numbers lie: in a member
`data/<key>`. The pickle goes through the restricted unpickler; classes of torch, Lightning and ml_collections become
`Record`s, too. A tensor is read when it is asked for, after checking that it lies within its member.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sized
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.policies.unpickling import Dtype, Function, Record, RestrictedUnpickler, unpickle

MAX_PICKLE = 2 * 2**20
"""Bytes of data.pkl. That of a policy has some 100 kB, and what a pickle builds can take 200 times its size."""
MAX_DIMENSIONS = 8
_RECORDS = ("torch.", "pytorch_lightning.", "lightning_fabric.", "lightning.", "ml_collections.")


@dataclass(frozen=True)
class Tensor:
    """A tensor whose numbers are still in the file. Nothing here is checked before it is read."""

    storage: Any
    """(tag, type, key, device, numbers in it), as torch names a storage."""
    offset: Any
    shape: Any
    strides: Any


@dataclass(frozen=True)
class StorageType:
    """Stands for torch's class of storages, such as FloatStorage."""

    name: str


def read_torch(path: str | PathLike, section: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a file of `torch.save` that holds a dict, and the tensors of one of its sections.

    Args:
        section: key of a dict of float32 tensors by name.

    Returns:
        the dict, with a `Tensor` for each tensor, and the arrays of the section, no two of which share memory.

    Raises:
        InputError: the file is missing, cut, or holds what no such file should hold.
    """
    try:
        size = Path(path).stat().st_size
        if not zipfile.is_zipfile(path):
            raise ValueError("it is not a zip, as files of torch.save have been since PyTorch 1.6")
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > size:
                raise ValueError("its parts are larger than itself")
            return _read(archive, section)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a file of torch.save ({type(error).__name__}: {error}). It is damaged or not "
            "what its name says; fetch it again."
        ) from None


def _read(archive: zipfile.ZipFile, section: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    [pickled] = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
    folder = pickled.filename.removesuffix("data.pkl")
    if pickled.file_size > MAX_PICKLE:
        raise ValueError(f"its data.pkl has {pickled.file_size:,} bytes instead of at most {MAX_PICKLE:,}")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise ValueError("its numbers are not little-endian")
    content = unpickle(_Unpickler, archive.read(pickled))
    if not isinstance(content, dict) or not isinstance(content.get(section), dict):
        raise ValueError(f"it holds no {section}")
    tensors = content[section]
    keys = [_key(name, tensor) for name, tensor in tensors.items()]
    if len(set(keys)) < len(keys):
        raise ValueError(f"tensors of its {section} share memory")
    arrays = {
        name: _array(name, tensor, archive.read(f"{folder}data/{key}"))
        for (name, tensor), key in zip(tensors.items(), keys, strict=True)
    }
    return content, arrays


def _key(name: Any, tensor: Any) -> str:
    """The storage of a tensor."""
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        raise ValueError(f"{name!r} is not a tensor")
    tag, kind, key, _, _ = tensor.storage
    if tag != "storage" or kind != StorageType("FloatStorage") or not isinstance(key, str):
        raise ValueError(f"{name} is not of float32")
    return key


def _array(name: str, tensor: Tensor, member: bytes) -> np.ndarray:
    """The numbers of a tensor, a copy."""
    shape, strides, held = tensor.shape, tensor.strides, len(member) // 4
    described = (*shape, *strides, tensor.offset, tensor.storage[4])
    if any(type(number) is not int or number < 0 for number in described):
        raise ValueError(f"{name} has no shape")
    if len(shape) > MAX_DIMENSIONS or len(strides) != len(shape):
        raise ValueError(f"{name} has {len(shape)} dimensions and {len(strides)} strides")
    dense = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if any(size > 1 and stride != step for size, stride, step in zip(shape, strides, dense, strict=True)):
        raise ValueError(f"{name} is not contiguous")
    if tensor.storage[4] != held or len(member) != 4 * held or tensor.offset + math.prod(shape) > held:
        raise ValueError(f"{name}, {shape} from number {tensor.offset}, is not within {len(member)} bytes")
    numbers = np.frombuffer(member, "<f4", math.prod(shape), 4 * tensor.offset)
    return numbers.reshape(shape).astype(np.float32)


class _Unpickler(RestrictedUnpickler):
    """Knows fewer functions than pickles of stable-baselines3 need, and those of torch.

    All that is copied, together, has no more items than the pickle has bytes. Else one large piece could be named again
    and again, and be copied as often.
    """

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self._room = file.getbuffer().nbytes
        self._known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): Function(_ordered_dict),
            ("_codecs", "encode"): Function(self._encode),
            ("__builtin__", "bytes"): Function(_no_bytes),
            ("numpy", "dtype"): _NativeDtype,
            ("torch._utils", "_rebuild_tensor_v2"): Function(_tensor),
        }
        unpickler = self

        class CountedRecord(Record):
            def __setstate__(self, state: Any) -> None:
                unpickler._spend(state)
                super().__setstate__(state)

        self._record = CountedRecord

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._known:
            return self._known[module, name]
        if module == "torch" and name.endswith("Storage"):
            return StorageType(name)
        if f"{module}.".startswith(_RECORDS):
            return self._record
        if module in ("builtins", "__builtin__", "collections") or name == "_frombuffer":
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        found = super().find_class(module, name)
        return self._record if found is Record else found

    def persistent_load(self, identity: Any) -> Any:
        if not isinstance(identity, tuple) or len(identity) != 5:
            raise pickle.UnpicklingError("a storage has no name")
        return identity

    def _spend(self, copied: Any) -> None:
        self._room -= len(copied) if isinstance(copied, Sized) else 0
        if self._room < 0:
            raise pickle.UnpicklingError("it repeats more than it holds")

    def _encode(self, text: str, encoding: str) -> bytes:
        """How old protocols keep bytes."""
        self._spend(text)
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"text in {encoding!r} is not allowed")
        return text.encode("latin1")


class _NativeDtype(Dtype):
    """numpy swaps the bytes of other arrays, in a copy."""

    def __init__(self, code: str, *_: Any):
        super().__init__(code)
        self._check()

    def __setstate__(self, state: tuple) -> None:
        super().__setstate__(state)
        self._check()

    def _check(self) -> None:
        if not self.real.isnative:
            raise pickle.UnpicklingError("arrays that are not little-endian are not allowed")


def _ordered_dict() -> OrderedDict:
    return OrderedDict()


def _no_bytes() -> bytes:
    return b""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    return Tensor(storage, offset, shape, strides)
