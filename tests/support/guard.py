"""Memory that ends at a page nobody may touch, and the C entry points of the native modules to call on it.

One byte read or written beyond the end stops the process, in every build: no sanitizer is needed to notice.  (Python's
own bytes objects hide such a fault: they end in a zero byte that may be read.)
"""

from __future__ import annotations

import ctypes
import mmap
from types import ModuleType
from typing import Any

PAGE = mmap.PAGESIZE
PROT_NONE = 0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, (ctypes.py_object,)
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class Guarded:
    """Room for ``size`` bytes, rounded up to pages, with a forbidden page behind them."""

    def __init__(self, size: int = 1 << 16) -> None:
        room = -(-size // PAGE) * PAGE
        self._map = mmap.mmap(-1, room + PAGE)
        self._end = ctypes.addressof(ctypes.c_char.from_buffer(self._map)) + room
        if _libc.mprotect(self._end, PAGE, PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")

    def place(self, data: bytes) -> int:
        """Copy ``data`` so that it ends where the forbidden page begins; its address."""
        ctypes.memmove(self._end - len(data), data, len(data))
        return self._end - len(data)

    def room(self, size: int) -> int:
        """The address of the last ``size`` bytes."""
        return self._end - size

    def read(self, size: int, length: int) -> bytes:
        """The first ``length`` of the last ``size`` bytes."""
        return ctypes.string_at(self._end - size, length)


def entry(module: ModuleType, name: str, result: Any, *arguments: Any) -> Any:
    """The C function ``name`` that a native module hands to its siblings, callable through ctypes."""
    capsule = module.__pyx_capi__[name]
    pointer = _capsule_pointer(capsule, _capsule_name(capsule))
    return ctypes.CFUNCTYPE(result, *arguments)(pointer)
