"""Pickles for other programs, which may run on an old numpy: MoCapAct's runs on 1.21.

What numpy 2 calls `numpy._core` was `numpy.core` before, and pickled arrays name it. With the old name they load in
either, without a warning.
"""

import io
import pickle
import pickletools
from typing import Any

import numpy as np

_NEW, _OLD = b"cnumpy._core.", b"cnumpy.core."  # c: a name follows


def portable_pickle(content: Any) -> bytes:
    """`content` pickled for any numpy, in protocol 3: the last in which names stand in full."""
    pickled = pickle.dumps(content, protocol=3)
    pieces, end = [], 0
    for opcode, name, position in pickletools.genops(pickled):
        if opcode.name == "GLOBAL" and str(name).startswith("numpy._core."):
            pieces += [pickled[end:position], _OLD]
            end = int(position or 0) + len(_NEW)
    return b"".join([*pieces, pickled[end:]])


def npy(content: Any) -> bytes:
    """A member of a npz as `numpy.savez` writes it: numbers, or one pickled object such as a dict."""
    array, buffer = np.asanyarray(content), io.BytesIO()
    if array.dtype.kind == "O":
        np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(array))
        buffer.write(portable_pickle(array))
    else:
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
