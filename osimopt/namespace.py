"""The array library of an array: code that is written once, with the array API, for NumPy and torch."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Arrays of NumPy or torch.
Tensor = Any


def namespace(*arrays: Any) -> Any:
    """The array API of the arrays' library: NumPy's, where all of them are of NumPy."""
    for array in arrays:
        if not isinstance(array, np.ndarray):
            from array_api_compat import array_namespace

            return array_namespace(array)
    return np


def alike(array: Any, other: Any) -> Any:
    """An array in the library and on the device of another; its gradients, if it has any, are kept."""
    if isinstance(other, np.ndarray) or not isinstance(array, np.ndarray):
        return array
    own = array if array.flags.writeable else array.copy()  # torch has no arrays that cannot be written
    return namespace(other).asarray(own, device=other.device)


def detached(array: Any) -> Any:
    """The array without gradients."""
    return array.detach() if hasattr(array, "detach") else array


def plain(array: Any) -> Any:
    """An array of NumPy without gradients."""
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)


def filled(shape: tuple[int, ...], value: float, like: Any) -> Any:
    """An array of one number, in the library, on the device and of the type of another."""
    if isinstance(like, np.ndarray):
        return np.full(shape, value, dtype=like.dtype)
    return namespace(like).full(shape, value, dtype=like.dtype, device=like.device)


def numbers(count: int, like: Any) -> Any:
    """0, 1, …, count − 1, in the library and on the device of another array."""
    return np.arange(count) if isinstance(like, np.ndarray) else namespace(like).arange(count, device=like.device)


def true_rows(mask: Any) -> Any:
    """Where a mask (T,) is true, as indices in its own library."""
    return namespace(mask).nonzero(mask)[0]


def first_true(mask: Any) -> int:
    """The first place at which a mask (T,), true somewhere, is true."""
    xp = namespace(mask)
    return int(xp.argmax(xp.astype(mask, xp.int64)))


def frames_last(array: Any) -> Any:
    """An array (T, …) as (…, T), contiguous in memory: the order in which all frames are computed at once."""
    moved = namespace(array).moveaxis(array, 0, -1)
    return np.ascontiguousarray(moved) if isinstance(array, np.ndarray) else moved.contiguous()


def frames_first(array: Any) -> Any:
    """An array (…, T) as (T, …)."""
    return namespace(array).moveaxis(array, -1, 0)
