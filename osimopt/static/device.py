"""Where the batched solver computes: NumPy, or torch on a processor or an accelerator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, MissingDependencyError, explain

#: Frames solved at once with NumPy: a few hundred kB a block, which stay in the cache.
CHUNK = 512
#: Frames solved at once with torch: enough work to hide the launch of a kernel, a few hundred MB.
DEVICE_CHUNK = 65536


@dataclass(frozen=True)
class Device:
    """A name as torch has it, or None for NumPy, and the number of frames to solve at once."""

    name: str | None
    chunk: int

    @classmethod
    def of(cls, device: str) -> Device:
        """From ``"cpu"`` (NumPy), ``"torch"`` (torch on the CPU), ``"cuda"``, ``"cuda:1"``, ….

        Raises
        ------
        InputError
            No such device here.
        MissingDependencyError
            torch is not installed.
        """
        if device == "cpu":
            return cls(None, CHUNK)
        name = "cpu" if device == "torch" else device
        rule = "device among 'cpu' (NumPy), 'torch' (torch on the CPU) and torch's own such as 'cuda'"
        if not isinstance(device, str):
            raise InputError(explain(rule, repr(device), "Give its name."))
        torch = _torch(device)
        try:
            torch.zeros(1, dtype=torch.float64, device=name)
        except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
            got = f"{device!r}: {str(error).splitlines()[0]}"
            raise InputError(explain(rule, got, "Use device='cpu', or install torch for your accelerator.")) from None
        return cls(name, DEVICE_CHUNK)

    def put(self, array: Any) -> Any:
        """The array on the device."""
        if self.name is None:
            return array
        return _torch(self.name).from_numpy(np.ascontiguousarray(array)).to(self.name)

    def get(self, array: Any) -> Any:
        """A device's array in NumPy."""
        return array if self.name is None else array.cpu().numpy()


def _torch(device: str) -> Any:
    try:
        import torch
    except ImportError:
        fix = "Install torch, or use device='cpu'."
        raise MissingDependencyError(explain(f"torch for device={device!r}", "no torch", fix)) from None
    return torch
