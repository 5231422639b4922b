"""Where arrays are: NumPy's, or torch's on the CPU or an accelerator. The only uploads and downloads of whole problems.

Torch is imported where a device is asked for by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError, MissingDependencyError, explain
from .namespace import plain

#: Bytes that are used at once on a device whose memory is not known, and the most frames computed at once.
ROOM, MOST_FRAMES = 2**30, 2**20
#: Arrays of the widest kind that a computation holds at once.
TEMPORARIES = 16


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

    @classmethod
    def at(cls, array: Any) -> Device:
        """Where an array is."""
        return cls(None if isinstance(array, np.ndarray) else str(array.device))

    def together(self, width: int) -> int:
        """How many frames, of arrays with so many numbers each, are computed at once in half of the free memory."""
        room = ROOM
        if self.name is not None and self.name.startswith("cuda"):
            cuda = _torch(self.name).cuda
            kept = cuda.memory_reserved(self.name) - cuda.memory_allocated(self.name)
            room = (cuda.mem_get_info(self.name)[0] + kept) // 2
        return int(max(1, min(MOST_FRAMES, room // (8 * TEMPORARIES * max(1, width)))))

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
