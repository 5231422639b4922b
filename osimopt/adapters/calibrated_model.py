"""write_calibrated_model: a model file with other muscle parameters, written by OpenSim."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import isolation
from ..errors import InputError, check_names, explain
from ..files.storage import write_atomically
from ..options import is_number
from .model import as_file

#: Parameters that can be written.
PARAMETERS = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "tendon_strain")


def write_calibrated_model(
    model: str | os.PathLike[str] | Any,
    values: Mapping[str, Mapping[str, float]],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Path:
    """Write a model with other parameters of its muscles; everything else stays as it is.

    OpenSim reads the model, sets the values and writes the file. Mesh files are named as in the model, so that OpenSim
    finds them where it finds the model's own, or beside the new file.

    Parameters
    ----------
    model : path-like or opensim.Model
        The model that the values are of.
    values : mapping of str to mapping of str to float
        By parameter and muscle: ``max_isometric_force`` (N), ``optimal_fiber_length`` and ``tendon_slack_length`` (m),
        ``tendon_strain`` at one normalised force (1), as :meth:`osimopt.Calibration.model_values` gives them.
    path : path-like
        The file (.osim) to write.
    overwrite : bool, default False
        Replace an existing file; the model itself is never replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    InputError
        Unknown parameters, values that are no numbers above 0, or a file that exists.
    ModelError
        Muscles that the model does not have, or whose class has no such parameter.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> osimopt.write_calibrated_model(arm.model, {"max_isometric_force": {"BRA": 1100.0}}, "stronger.osim").name
    'stronger.osim'
    >>> float(osimopt.load_problem("stronger.osim", arm.motion).parameters.max_isometric_force[-1])
    1100.0
    """
    path = Path(path)
    check_names("parameters", values, PARAMETERS)
    wrong = [(kind, name, v) for kind, of in values.items() for name, v in of.items() if not _positive(v)]
    if wrong:
        kind, name, value = wrong[0]
        raise InputError(explain(f"{kind} of '{name}' above 0", repr(value), "Calibrate again, or leave it out."))
    if path.suffix.lower() != ".osim":
        raise InputError(
            explain("a path that ends in .osim", path.name, "Name it calibrated.osim, for instance.", path)
        )
    source = as_file(model)
    if path.exists() and (not overwrite or path.resolve() == source.resolve()):
        got = "the model itself" if path.resolve() == source.resolve() else "one that exists"
        raise InputError(explain("a new file for the model", got, "Choose another name, or overwrite=True.", path))
    folder = Path(tempfile.mkdtemp(prefix="osimopt-"))
    try:
        fresh, plain = folder / path.name, {kind: dict(of) for kind, of in values.items()}
        function = "osimopt.adapters.worker.files:write_muscle_parameters"
        isolation.run("opensim", function, str(source), str(fresh), plain, subject=source)
        write_atomically(path, fresh.read_bytes())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return path.absolute()


def _positive(value: Any) -> bool:
    return is_number(value) and 0.0 < float(value) < float("inf")
