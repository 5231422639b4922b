"""torch's CPU in the place of a GPU: arrays that come back, or are mixed with others than the device's, fail a test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from osimopt import namespace

#: What may take an array of NumPy: it is put on the device, or holds indices.
TAKE_NUMPY = {"asarray", "as_tensor", "tensor", "from_numpy", "__getitem__", "__setitem__", "__get__", "to"}


class OneLibrary(TorchFunctionMode):
    """Arrays of NumPy are no operands beside tensors: a GPU would refuse them."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        mixed = [one for one in (*args, *(options or {}).values()) if isinstance(one, np.ndarray) and one.ndim]
        assert not mixed or name in TAKE_NUMPY, f"{name} of a tensor and an array of NumPy, {mixed[0].shape}"
        return function(*args, **(options or {}))


@contextmanager
def on_the_device(frames: int) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of the arrays with an axis of ``frames`` that are put on the device.

    An array of frames that comes back in between fails, unless it has one number or mark a frame; so does one that is
    uploaded by anything but ``Device.put``, a tensor that is made without a device, and one where NumPy's functions
    would take it down, or NumPy's arrays stand beside it.
    """
    uploaded: list[tuple[int, ...]] = []
    brought: list[bool] = []
    plain = namespace.plain

    def down(old: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: torch.Tensor, *args: Any, **options: Any) -> Any:
            whole = frames in self.shape and self.dtype != torch.bool and self.ndim > 1
            assert not whole, f"{tuple(self.shape)} comes back"
            assert brought or not self.ndim, f"NumPy takes a tensor {tuple(self.shape)}"
            return old(self, *args, **options)

        return call

    def up(old: Callable[..., Any], put: bool) -> Callable[..., Any]:
        def call(data: Any, *args: Any, **options: Any) -> Any:
            if isinstance(data, np.ndarray) and frames in data.shape:
                assert put, f"{data.shape} goes up"
                uploaded.append(data.shape)
            return old(data, *args, **options)

        return call

    def bring(array: Any) -> Any:
        brought.append(True)
        try:
            return plain(array)
        finally:
            brought.pop()

    with pytest.MonkeyPatch.context() as patch:
        for name in ("cpu", "numpy", "__array__", "tolist"):
            patch.setattr(torch.Tensor, name, down(getattr(torch.Tensor, name)))
        for name in ("asarray", "as_tensor", "tensor", "from_numpy"):
            patch.setattr(torch, name, up(getattr(torch, name), name == "from_numpy"))
        for module in [one for one in loaded().values() if getattr(one, "plain", None) is plain]:
            patch.setattr(module, "plain", bring)
        with torch.device("meta"), OneLibrary():  # a tensor made without a device meets none of the others
            yield uploaded


def loaded() -> dict[str, Any]:
    """The modules of osimopt that are loaded."""
    return {name: module for name, module in sys.modules.items() if name.startswith("osimopt")}
