"""Files of torch.save are read as torch reads them; forged ones are refused before they run, or ask for memory."""

import io
import os
import pickle
import random
import zipfile
from collections import OrderedDict, deque
from functools import partial

import numpy as np
import pytest
import torch

from mocapact_core.errors import InputError
from mocapact_core.policies.lightning import read_checkpoint
from mocapact_core.policies.torch_file import MAX_PICKLE, Tensor, read_torch
from tests.policies.checkpoints import PublishedGPT, PublishedNPMP, write_checkpoint


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def stored(offset=0, shape=(2, 3), strides=(3, 1), key="0", count=6, kind=torch.FloatStorage):
    """A tensor as torch.save pickles it, of the storage with that key."""
    storage = ("storage", kind, key, "cpu", count)
    return Call(
        torch._utils._rebuild_tensor_v2, Storage(storage), offset, shape, strides, False, OrderedDict()
    )


class Storage:
    def __init__(self, identity):
        self.identity = identity


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.identity if isinstance(thing, Storage) else None


def write(path, content, members=None, pickled=None, compression=zipfile.ZIP_STORED):
    """A file of torch.save with one storage of six numbers, or others."""
    if pickled is None:
        buffer = io.BytesIO()
        Pickler(buffer, protocol=2).dump(content)
        pickled = buffer.getvalue()
    if members is None:
        members = {"data/0": np.arange(6, dtype="<f4").tobytes()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, member in {"data.pkl": pickled, "version": b"3\n", **members}.items():
            archive.writestr(f"archive/{name}", member)
    return path


def refused(path, message=""):
    with pytest.raises(InputError, match=f"cannot be read as a file of torch.save .*{message}"):
        read_torch(path, "weights")


# ---- Honest files


def test_tensors_and_all_else_are_what_was_saved(tmp_path):
    large = torch.arange(24.0).reshape(4, 6)
    weights = {
        "matrix": torch.randn(3, 4),
        "scalar": torch.tensor(2.5),
        "part": large[2:],
        "one": torch.ones(1, 2, 1),
    }
    others = {
        "ints": torch.arange(3),
        "array": np.arange(4.0).reshape(2, 2),
        "numbers": [1, 2.5, None, "text"],
    }
    path = tmp_path / "file.pt"
    torch.save({"weights": OrderedDict(weights), **others}, path)
    content, read = read_torch(path, "weights")
    for name, values in weights.items():
        np.testing.assert_array_equal(read[name], values.numpy())
    np.testing.assert_array_equal(content["array"], others["array"])
    assert content["numbers"] == others["numbers"]
    assert isinstance(content["ints"], Tensor)


def test_a_forged_tensor_that_is_not_forged_is_read(tmp_path):
    """What the tests below change."""
    _, read = read_torch(write(tmp_path / "file.pt", {"weights": {"a": stored()}}), "weights")
    np.testing.assert_array_equal(read["a"], [[0, 1, 2], [3, 4, 5]])


# ---- Others


@pytest.mark.parametrize(
    "forged",
    [
        {"offset": 1},
        {"offset": -1},
        {"offset": 2**62},
        {"offset": 0.0},
        {"shape": (7,), "strides": (1,)},
        {"shape": (2**40,), "strides": (1,)},
        {"shape": (2**40, 2**40), "strides": (0, 0)},
        {"shape": (2, 3), "strides": (0, 1)},
        {"shape": (2, 3), "strides": (1, 2)},
        {"shape": (-2, -3)},
        {"shape": (2, 3, 1)},
        {"shape": (1,) * 70, "strides": (1,) * 70},
        {"shape": None},
        {"shape": "ab"},
        {"shape": (True, 6), "strides": (6, 1)},
        {"strides": None},
        {"count": 5},
        {"count": 7},
        {"count": 10**12},
        {"key": "1"},
        {"key": "../../../etc/passwd"},
        {"key": 0},
        {"kind": torch.DoubleStorage},
        {"kind": torch.BFloat16Storage},
        {"kind": None},
    ],
)
def test_a_tensor_that_is_not_within_its_storage_is_refused(tmp_path, forged):
    refused(write(tmp_path / "file.pt", {"weights": {"a": stored(**forged)}}))


def test_tensors_do_not_share_memory(tmp_path):
    """One large storage could stand for any number of tensors."""
    path = write(tmp_path / "file.pt", {"weights": {"a": stored(), "b": stored()}})
    refused(path, "share memory")


@pytest.mark.parametrize(
    "content", [[], {}, {"weights": 3}, {"weights": {1: stored()}}, {"weights": {"a": 3}}]
)
def test_a_file_without_such_tensors_is_refused(tmp_path, content):
    refused(write(tmp_path / "file.pt", content))


@pytest.mark.parametrize("member", [b"", b"\0" * 23, b"\0" * 25, b"\0" * 4000])
def test_a_storage_of_another_size_is_refused(tmp_path, member):
    refused(write(tmp_path / "file.pt", {"weights": {"a": stored()}}, {"data/0": member}), "is not within")


def test_a_zip_bomb_is_refused(tmp_path):
    members = {"data/0": b"\0" * 10**7}
    path = write(tmp_path / "file.pt", {}, members, compression=zipfile.ZIP_DEFLATED)
    refused(path, "larger than itself")


def test_numbers_of_another_byte_order_are_refused(tmp_path):
    refused(write(tmp_path / "file.pt", {"weights": {}}, {"byteorder": b"big"}), "little-endian")


def test_a_large_pickle_is_refused(tmp_path):
    refused(write(tmp_path / "file.pt", {"weights": {}, "text": "a" * MAX_PICKLE}), "instead of at most")


def test_files_of_old_versions_of_torch_are_refused(tmp_path):
    torch.save({"weights": {}}, tmp_path / "file.pt", _use_new_zipfile_serialization=False)
    refused(tmp_path / "file.pt", "not a zip")


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_torch(tmp_path / "file.pt", "weights")


@pytest.mark.parametrize("where", ["weights", "hyper_parameters"])
@pytest.mark.parametrize(
    "malicious",
    [
        lambda command: Call(os.system, command),
        lambda command: Call(eval, f"__import__('os').system({command!r})"),
        lambda command: Call(partial, os.system, command),
        lambda command: Call(getattr, dict, "fromkeys"),
        lambda command: Call(np.load, command),
        lambda command: Call(bytes, 10**12),
        lambda command: Call(bytearray, 10**12),
        lambda command: Call(list, range(10**9)),
        lambda command: deque([command]),
        lambda command: np.arange(3, dtype=">f4"),
        lambda command: np.array([None]),
    ],
)
def test_calls_are_refused(tmp_path, where, malicious):
    content = {"weights": {}, where: {"a": malicious(f"touch {tmp_path / 'touched'}")}}
    refused(write(tmp_path / "file.pt", content), "not allowed|take")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "module", ["torch.hub", "pytorch_lightning.utilities", "ml_collections.os", "mocapact.os"]
)
def test_allowed_packages_are_named_but_not_run(tmp_path, module):
    program = b"\x80\x02}(X\x07\0\0\0weights}X\x01\0\0\0ac" + f"{module}\nsystem\n(Vtouch\ntRu.".encode()
    content, _ = read_torch(write(tmp_path / "file.pt", None, pickled=program), "weights")
    assert content["a"].__dict__ == {}


TEXT = b"X\x00\x00\x10\x00" + b"a" * 2**20 + b"q\x00"  # a million letters, to be remembered as 0
KEYS = b"}q\x00(" + b"".join(b"J" + n.to_bytes(4, "little") + b"N" for n in range(100_000)) + b"u"


@pytest.mark.parametrize(
    ("once", "again", "message"),
    [
        (TEXT, b"c_codecs\nencode\n(h\x00Vlatin1\ntR", "repeats more than it holds"),
        (KEYS, b"cgym.spaces\nBox\n)\x81h\x00b", "repeats more than it holds"),
        (KEYS, b"ccollections\nOrderedDict\n(h\x00tR", "takes 0 positional arguments"),
        (TEXT, b"cnumpy.core.numeric\n_frombuffer\n", "_frombuffer is not allowed"),
        (KEYS, b"cbuiltins\nlist\n(h\x00tR", "list is not allowed"),
    ],
)
def test_large_pieces_are_not_copied_again_and_again(tmp_path, once, again, message):
    program = b"\x80\x02]" + once + b"0(" + again * 1000 + b"e."
    refused(write(tmp_path / "file.pt", None, pickled=program), message)


def test_tuples_that_are_too_deep_for_python_are_refused(tmp_path):
    """Used as a key, they end the process."""
    program = b"\x80\x02})" + b"\x85" * (MAX_PICKLE - 100) + b"Ns."
    refused(write(tmp_path / "file.pt", None, pickled=program), "tuples")


# ---- Damage


@pytest.mark.parametrize("published", [PublishedNPMP, PublishedGPT])
def test_a_truncated_checkpoint_is_refused(tmp_path, published):
    whole = write_checkpoint(tmp_path / "whole.ckpt", published()).read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.ckpt").write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read"):
            read_checkpoint(tmp_path / "cut.ckpt")


@pytest.mark.parametrize("published", [PublishedNPMP, partial(PublishedGPT, layers=1)])
def test_a_changed_pickle_is_read_or_refused(tmp_path, published):
    """The zip's own checksum is right, as whoever forges a file would make it."""
    with zipfile.ZipFile(write_checkpoint(tmp_path / "whole.ckpt", published())) as archive:
        members = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    pickled, chance, n_refused = members.pop("data.pkl"), random.Random(0), 0
    for _ in range(200):
        changed = bytearray(pickled)
        for _ in range(chance.choice((1, 1, 2, 20))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        path = write(tmp_path / "changed.ckpt", None, members, pickled=bytes(changed))
        try:
            read_checkpoint(path)
        except InputError:
            n_refused += 1
    assert 0 < n_refused < 200
