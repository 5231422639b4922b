"""Where arrays are: NumPy's, or torch's on the CPU or an accelerator. The only uploads and downloads of whole problems.

Torch is imported where a device is asked for by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError, MissingDependencyError, explain
from .namespace import plain

#: Elements of the widest arrays (frames · places) computed at once on a device: their temporaries take a few GB.
WIDEST = 2**25


@dataclass(frozen=True)
class Device:
    """A device name of torch, or None for NumPy."""

    name: str | None

    @classmethod
    def of(cls, device: str) -> Device:
        """From ``"cpu"`` (NumPy), ``"torch"`` (torch on the CPU), ``"cuda"``, ``"cuda:1"``, ….

        Raises
        ------
        InputError
            The device is not available.
        MissingDependencyError
            torch is not installed.
        """
        if device == "cpu":
            return cls(None)
        name = "cpu" if device == "torch" else device
        rule = "device among 'cpu' (NumPy), 'torch' (torch on the CPU) and device names of torch such as 'cuda'"
        if not isinstance(device, str):
            raise InputError(explain(rule, repr(device), "Give its name."))
        torch = _torch(device)
        try:
            torch.zeros(1, dtype=torch.float64, device=name).sum().item()
        except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
            got = f"{device!r}: {str(error).splitlines()[0]}"
            raise InputError(explain(rule, got, "Use device='cpu', or install torch for your accelerator.")) from None
        return cls(name)

    def put(self, array: Any) -> Any:
        """The array on the device."""
        if self.name is None:
            return plain(array)
        if isinstance(array, np.ndarray):
            whole = np.ascontiguousarray(array)
            array = _torch(self.name).from_numpy(whole if whole.flags.writeable else whole.copy())
        return array.to(self.name)


#: NumPy.
CPU = Device(None)


def device_of(array: Any) -> str:
    """The name by which :meth:`Device.of` knows where an array is."""
    if isinstance(array, np.ndarray):
        return "cpu"
    name = str(array.device)
    return "torch" if name == "cpu" else name


def _torch(device: str) -> Any:
    try:
        import torch
    except ImportError:
        fix = "Install torch, or use device='cpu'."
        raise MissingDependencyError(explain(f"torch for device={device!r}", "no torch", fix)) from None
    return torch
