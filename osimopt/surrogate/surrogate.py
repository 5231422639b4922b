"""Surrogate.load: any surrogate from its folder."""

from __future__ import annotations

import os
from typing import Any

from ..devices import Device
from ..errors import InputError, explain
from . import folder
from .dynamic import DynamicSurrogate
from .geometry import GeometrySurrogate
from .static import StaticSurrogate

KINDS: dict[str, Any] = {"static": StaticSurrogate, "dynamic": DynamicSurrogate, "geometry": GeometrySurrogate}


class Surrogate:
    """Reader of the surrogates that ``osimopt train`` and the ``train_…`` functions write.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> from osimopt.surrogate.training import TrainingOptions
    >>> moments = 10.0 + 10.0 * np.sin(np.linspace(0.0, 6.0, 60))
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moments[:, None])
    >>> trained = osimopt.train_static_surrogate([problem], frames=100, options=TrainingOptions(epochs=1))
    >>> folder = trained.surrogate.save("network")
    >>> osimopt.Surrogate.load(folder)
    <StaticSurrogate: set network for activation_power, 2 muscles>
    """

    @staticmethod
    def load(path: str | os.PathLike[str], device: str = "cpu") -> Any:
        """Read the folder of a surrogate.

        Parameters
        ----------
        path
            Folder.
        device
            Where its network computes: ``"cpu"``, ``"cuda"``, ….

        Returns
        -------
        StaticSurrogate, DynamicSurrogate or GeometrySurrogate
            By the kind of the folder.

        Raises
        ------
        InputError
            No such folder, a folder of another kind or changed after it was saved, or no such device.
        """
        tensors, description = folder.load(path)
        kind = description.get("kind")
        if kind not in KINDS:
            raise InputError(explain(f"a surrogate among {', '.join(KINDS)}", repr(kind), "Train it anew.", path))
        name = Device.of(device).name or "cpu"
        try:
            return KINDS[kind].read(tensors, description, name)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            got = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise InputError(explain("a description that fits its weights", got, folder.COPY_OR_TRAIN, path)) from error
