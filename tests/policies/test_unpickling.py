"""Pickles that no honest file holds: whatever they try, they are refused and nothing of them runs."""

import functools
import io
import operator
import os
import pickle
import subprocess
import zipfile
from collections import OrderedDict, deque

import numpy as np
import pytest
from stable_baselines3.common.running_mean_std import RunningMeanStd

from mocapact_core.errors import InputError
from mocapact_core.policies.folder import MODEL, NORMALIZER
from mocapact_core.policies.published import read_published
from mocapact_core.policies.unpickling import Record, load_npz, load_pickle
from tests.policies.published import write_published


class Call:
    """Pickles as the call of a function, and of `__setstate__` of what that returns."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced

    def __call__(self):
        """What it returns may be called in turn."""


def load(path, content, protocol=4):
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return load_pickle(path)


def touching(path):
    return f"touch {path}"


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "malicious",
    [
        lambda command, _: Call(os.system, command),
        lambda command, _: Call(eval, f"__import__('os').system({command!r})"),
        lambda command, _: Call(exec, f"import os; os.system({command!r})"),
        lambda command, _: Call(subprocess.Popen, ["sh", "-c", command]),
        lambda _, path: Call(open, str(path), "w"),
        lambda command, _: {"obs_rms": [OrderedDict(a=deque([Call(os.system, command)]))]},
        lambda command, _: Call(functools.partial, os.system, command),
        lambda command, _: Call(list, Call(map, os.system, [command])),
        lambda command, _: Call(Call(operator.attrgetter, "system"), OrderedDict(), command),
        lambda command, _: Call(Call(getattr, dict, "fromkeys"), [command]),
    ],
)
def test_calls_are_refused(tmp_path, malicious, protocol):
    content = malicious(touching(tmp_path / "touched"), tmp_path / "touched")
    with pytest.raises(InputError, match=r"cannot be read .*(is not allowed|not given out)"):
        load(tmp_path / "file.pkl", content, protocol)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "name",
    [
        "posix\nsystem",
        "nt\nsystem",
        "__builtin__\neval",
        "builtins\n__import__",
        "numpy\nndarray.tofile",
        "numpy\nload",
        "numpy.core.multiarray\nfromfile",
        "numpy.core.multiarray\nscalar.__self__",
        "numpy._core.multiarray\nos.system",
        "collections\nabc.sys.modules",
        "pickle\nloads",
        "torch\nload",
        "mocapact_core.policies.unpickling\nload_pickle",
        "stable_baselines3_contrib.common\nsystem",
        "copyreg\n_reconstructor",
        "gymnastics\nsystem",
    ],
)
def test_names_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="is not allowed"):
        load(tmp_path / "file.pkl", f"c{name}\n.".encode())


@pytest.mark.parametrize("module", ["gym.os", "gymnasium.utils.save_video", "stable_baselines3.common.utils"])
def test_allowed_packages_are_named_but_not_imported(tmp_path, module):
    """Of whatever they are said to hold there is a Record, also when called."""
    record = load(tmp_path / "file.pkl", f"c{module}\nsystem\n(Vtouch touched\ntR.".encode())
    assert type(record) is Record
    assert record.__dict__ == {}


@pytest.mark.parametrize(
    "function",
    ["numpy.core.multiarray\nscalar", "numpy.core.multiarray\n_reconstruct", "builtins\ngetattr"],
)
@pytest.mark.parametrize("state", ["}", "(N}Vcode\nI1\nst"])
def test_functions_are_not_changed(tmp_path, function, state):
    """A BUILD instruction sets attributes; of a real function it could set the defaults."""
    with pytest.raises(InputError):
        load(tmp_path / "file.pkl", f"c{function}\n{state}b.".encode())


@pytest.mark.parametrize(
    "kind", ["builtins\ndict", "collections\nOrderedDict", "numpy\ndtype", "gym.spaces\nBox"]
)
def test_classes_are_not_changed(tmp_path, kind):
    with pytest.raises(InputError):
        load(tmp_path / "file.pkl", f"c{kind}\n}}Vattribute\nI1\nsb.".encode())
    assert not hasattr(dict, "attribute")
    assert not hasattr(Record, "attribute")


OBJECTS = np.dtype("O", False, True)


@pytest.mark.parametrize(
    "array",
    [
        Call(np.ndarray, (1,), "O", b"\1" * 8),  # numpy itself takes these bytes for a pointer
        Call(np.ndarray, (1,), OBJECTS, b"\1" * 8),
        Call(
            np.dtype, "O", False, True, state=(3, "|", None, None, None, -1, -1, 0)
        ),  # says it has no pointers
        Call(np.dtype, [("a", "O")]),
        Call(np.dtype, "V8", False, True),
        np.array([None, {}]),
        np.array(["text"]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.datetime64("2022-01-01"),
    ],
)
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array, protocol):
    with pytest.raises(InputError, match=r"not allowed|NoneType"):
        load(tmp_path / "file.pkl", array, protocol)


@pytest.mark.parametrize("shape", [(9,), (2**62, 2**62), (-1,), (2**40,), ((),), None])
def test_an_array_is_as_large_as_its_bytes(tmp_path, shape):
    build, arguments, _ = np.zeros(1).__reduce__()
    forged = Call(build, *arguments, state=(1, shape, np.dtype(float), False, b"\0" * 8))
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "file.pkl", forged)


def test_an_array_is_made_of_bytes(tmp_path):
    """Not of a number, which Python would make so many bytes of."""
    build, arguments, _ = np.zeros(1).__reduce__()
    forged = Call(build, *arguments, state=(1, (10**6,), np.dtype("u1"), False, 10**6))
    with pytest.raises(InputError, match="made of int are not allowed"):
        load(tmp_path / "file.pkl", forged)


def test_records_do_not_tell_numpy_where_to_read(tmp_path):
    """numpy reads the memory that `__array_interface__` of an object names."""
    program = b"cgym.spaces.box\nBox\n)R}(V__array_interface__\nI1\nVlow\nI2\nub."
    assert load(tmp_path / "file.pkl", program).__dict__ == {"low": 2}


def test_statistics_that_are_no_numbers_are_refused(tmp_path):
    """Containers can have attributes, too; numpy is not asked what it makes of them."""
    forged = RunningMeanStd(shape=())
    forged.mean = OrderedDict()
    forged.mean.__array_interface__ = {"data": (8, True), "shape": (), "typestr": "<f8", "version": 3}
    write_published(tmp_path, ret_rms=forged)
    with pytest.raises(InputError, match="OrderedDict where numbers should be"):
        read_published(tmp_path / MODEL, tmp_path / NORMALIZER)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
        np.array(2.5),
        np.float64(2.5),
        np.array([True, False]),
        np.zeros((0, 3)),
        np.arange(10)[::2],
    ],
)
def test_numbers_are_what_they_were(tmp_path, array, protocol):
    loaded = load(tmp_path / "file.pkl", array, protocol)
    assert loaded.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded, array, strict=False)


@pytest.mark.parametrize("opcode", [b"p1000000000\n", b"r\x00\xca\x9a\x3b"])
def test_what_is_remembered_takes_no_more_room_than_the_file(tmp_path, opcode):
    """Python itself makes room for a thousand million objects, 16 GB."""
    with pytest.raises(InputError, match="would remember 1000000000 objects"):
        load(tmp_path / "file.pkl", b"}" + opcode + b".")


# ---- Members of a npz


def load_member(path, content, shape=(), descr="|O"):
    """A npz with one member, `content` (bytes or to be pickled) behind a header of an array of objects."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": descr, "fortran_order": False, "shape": shape})
    member.write(content if isinstance(content, bytes) else pickle.dumps(content, 4))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("member.npy", member.getvalue())
    return load_npz(path)["member"]


@pytest.mark.parametrize("held", [{"a": np.arange(3.0), "b": np.float32(2)}, [1, (2, "c")], None])
def test_the_object_that_an_array_holds_is_read(tmp_path, held):
    loaded = load_member(tmp_path / "file.npz", box(held))
    np.testing.assert_equal(loaded, held)


def box(held):
    array = np.empty((), object)
    array[()] = held
    return array


def test_a_npz_is_what_numpy_wrote(tmp_path):
    content = {
        "numbers": np.arange(6.0).reshape(2, 3),
        "names": np.array(["a", "bc"]),
        "flag": np.array(True),
    }
    np.savez_compressed(tmp_path / "file.npz", **content, held={"a": [1]})
    np.testing.assert_equal(load_npz(tmp_path / "file.npz"), content | {"held": {"a": [1]}})


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (box({}), {"shape": (1,)}),
        (np.array([{}, {}]), {}),
        (np.array([{}, {}]), {"shape": (2,)}),
        (box({"a": np.array([{}, {}])}), {}),
        ({}, {}),
        (b"\1" * 8, {}),
        (b"\1" * 64, {"shape": (8,), "descr": [("a", "|O")]}),
        (b"\1" * 8, {"shape": (2**62, 4), "descr": "<f8"}),
        (b"\1" * 8, {"shape": (-1,), "descr": "<f8"}),
        (b"\1" * 8, {"shape": (2,), "descr": "<f8"}),
    ],
)
def test_a_member_that_is_not_what_its_header_says_is_refused(tmp_path, content, header):
    with pytest.raises(InputError, match=r"file.npz cannot be read"):
        load_member(tmp_path / "file.npz", content, **header)


def test_an_array_of_objects_is_not_made_of_too_few(tmp_path):
    """numpy reads as many pointers behind the list as the shape says."""
    build, arguments, _ = np.zeros(1).__reduce__()
    for shape, held in (((1000,), []), ((), []), ((), [1, 2]), ((-1,), [1])):
        forged = Call(build, *arguments, state=(1, shape, np.dtype(object), False, held))
        with pytest.raises(InputError, match="cannot be read"):
            load_member(tmp_path / "file.npz", forged)


@pytest.mark.parametrize("held", [{"a": Call(os.system, "touch touched")}, Call(os.system, "touch touched")])
def test_nothing_in_a_npz_runs(tmp_path, monkeypatch, held):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="system is not allowed"):
        load_member(tmp_path / "file.npz", box(held))
    with pytest.raises(InputError, match="system is not allowed"):
        load_member(tmp_path / "file.npz", held)
    assert not (tmp_path / "touched").exists()
