"""A guard of arrays on a device: which arrays of frames are uploaded, and a refusal of those that would come down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch


@contextmanager
def on_the_device(frames: int) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of the arrays with an axis of ``frames`` that are put on the device.

    An array of frames that comes back in between fails, unless it has one number or mark a frame; so does one that is
    uploaded by anything but ``Device.put``.
    """
    uploaded: list[tuple[int, ...]] = []

    def down(old: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: torch.Tensor, *args: Any, **options: Any) -> Any:
            whole = frames in self.shape and self.dtype != torch.bool and self.ndim > 1
            assert not whole, f"{tuple(self.shape)} comes back"
            return old(self, *args, **options)

        return call

    def up(old: Callable[..., Any], put: bool) -> Callable[..., Any]:
        def call(data: Any, *args: Any, **options: Any) -> Any:
            if isinstance(data, np.ndarray) and frames in data.shape:
                assert put, f"{data.shape} goes up"
                uploaded.append(data.shape)
            return old(data, *args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("cpu", "numpy", "__array__", "tolist"):
            patch.setattr(torch.Tensor, name, down(getattr(torch.Tensor, name)))
        for name in ("asarray", "as_tensor", "tensor", "from_numpy"):
            patch.setattr(torch, name, up(getattr(torch, name), name == "from_numpy"))
        yield uploaded
