"""Surrogate.load: any surrogate from its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..errors import InputError, explain
from ..problem.costs import get_cost
from ..static.frames import Device
from . import folder
from .architecture import Architecture
from .dual_network import FrameNetwork, SetNetwork
from .dynamic import DynamicSurrogate
from .geometry import GeometrySurrogate
from .scaler import Scaler
from .static import StaticSurrogate


class Surrogate:
    """What ``osimopt train`` and the ``train_…`` functions make, read back."""

    @staticmethod
    def load(path: str | os.PathLike[str], device: str = "cpu") -> Any:
        """Read the folder of a surrogate.

        Parameters
        ----------
        path
            Folder.
        device
            Where its network shall compute: ``"cpu"``, ``"cuda"``, ….

        Returns
        -------
        StaticSurrogate, DynamicSurrogate or GeometrySurrogate
            By what the folder says that it is.

        Raises
        ------
        InputError
            No such folder, another kind of folder, one that was changed, or no such device.
        """
        tensors, told = folder.load(path)
        if told.get("kind") not in READERS:
            got = repr(told.get("kind"))
            raise InputError(explain(f"a surrogate among {', '.join(READERS)}", got, "Train it anew.", path))
        name = Device.of(device).name or "cpu"
        try:
            return READERS[told["kind"]](tensors, told, name)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            fix = "Copy the folder again, or train it anew."
            got = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise InputError(explain("a description that goes with its weights", got, fix, path)) from error


def part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Tensors whose names begin so, without that."""
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


def _static(tensors: dict[str, Tensor], told: dict[str, Any], device: str) -> StaticSurrogate:
    architecture = Architecture.from_dict(told["architecture"])
    weights, muscles = part(tensors, "network"), tuple(told["muscles"])
    get_cost(told["cost"])
    network: SetNetwork | FrameNetwork
    if architecture.kind == "set":
        network = SetNetwork(architecture)
    else:
        scaler = Scaler.from_arrays({**part(tensors, "ranges"), "mean": weights["mean"], "std": weights["std"]})
        window = told["window"]
        if not (isinstance(window, int) and window >= 1):
            raise ValueError(f"a window of {window!r} frames")
        network = FrameNetwork(architecture, len(muscles), scaler, window)
    network.load_state_dict(weights)
    network.eval()
    ranges = Scaler.from_arrays(part(tensors, "ranges"), told["features"])
    return StaticSurrogate(
        architecture, network.to(device), told["cost"], muscles, tuple(told["coordinates"]), ranges, device,
        told["provenance"],
    )  # fmt: skip


READERS: dict[str, Callable[[dict[str, Tensor], dict[str, Any], str], Any]] = {
    "static": _static,
    "dynamic": DynamicSurrogate.read,
    "geometry": GeometrySurrogate.of,
}
