"""load_problem: from files to a checked problem."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ..adapters.load import read_problem
from ..adapters.options import COMPUTED, Cutoff, Loads, ReadOptions, Reserves, Source, Table
from ..isolation import Progress
from ..options import documented
from ..polynomial.muscle_paths import MusclePaths
from ..problem.problem import RedundancyProblem
from ..problem.reactions import Frame, Joints, On
from ..problem.reserves import ReserveActuators


@documented(ReadOptions)
def load_problem(
    model: Source | Any,
    motion: Table,
    external_loads: Loads | None = None,
    generalized_force: Table | None = None,
    time_range: tuple[float, float] | None = None,
    lowpass_hz: float | None = None,
    reserves: Reserves | ReserveActuators = "auto",
    weld: Sequence[str] = (),
    passive_force: bool = False,
    gain: Literal["opensim", "corrected", "isometric"] = "opensim",
    geometry: Source | MusclePaths = "exact",
    n_jobs: int | None = None,
    *,
    cache: Source | None = None,
    speeds: Table | None = None,
    force_sets: Sequence[Source] = (),
    replace_force_set: bool = False,
    contact: Literal["auto", "on", "off"] = "auto",
    lowpass_loads_hz: Cutoff = None,
    lowpass_moments_hz: Cutoff = None,
    coordinates: str | Sequence[str] | None = None,
    muscles: str | Sequence[str] | None = None,
    left_out: Literal["ignore", "residuals"] = "ignore",
    joint_reactions: Joints | None = None,
    reactions_on: On = "child",
    reactions_frame: Frame = "ground",
    progress: Progress | None = None,
    device: str = "cpu",
) -> RedundancyProblem:
    """Read a model and a motion into a problem: moment arms, maximum forces and the moments to be met.

    Parameters
    ----------
    model : str | os.PathLike[str] | opensim.Model
        Model (.osim).
    motion : str | os.PathLike[str] | pandas.DataFrame
        Motion (.mot, .sto) with the free coordinates; units by its header. A DataFrame has times in s as its index, or
        in a column ``time``; its angles are in radians unless ``attrs["in_degrees"]`` is true, as
        :func:`osimopt.read_table` gives it.
    {options}
    n_jobs : int | None, default None
        Processes that share the frames; by default as many as there are cores and work for.
    cache : str | os.PathLike[str] | None, default None
        Folder in which the problem is kept, under a name made from the contents of all files, the options and the
        versions: the same call reads it back in milliseconds. The description of the model and its check are kept
        there too, once for all motions; by default in ``$OSIMOPT_CACHE`` or the user's cache folder
        (``~/.cache/osimopt`` on Linux), which may be removed at any time.
    progress : callable, optional
        Called with (frames done, frames in all).
    device : str, default "cpu"
        Where the problem's arrays are: ``"cpu"`` (NumPy), or by torch ``"torch"`` (its arrays on the CPU), ``"cuda"``,
        ``"cuda:1"``, …. With exact geometry the motion and the loads are put there, and paths, moment arms, dynamics
        and forces are computed there; :func:`osimopt.solve_static` continues there. What other geometries and OpenSim
        compute is put there as it is.

    Returns
    -------
    RedundancyProblem
        SI units; coordinates are the free ones in multibody-tree order; activation bounds are the muscles'
        min_control and max_control. Its ``source`` computes the arrays at other times (``resample``), unless it was
        read back from the cache.

    Raises
    ------
    InputError, ModelError
        Wrong files, before anything is solved.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.4))
    >>> problem.muscles[:3], problem.coordinates, problem.max_force.shape
    (('TRIlong', 'TRIlat', 'TRImed'), ('r_shoulder_elev', 'r_elbow_flex'), (21, 6))
    """
    read = ReadOptions(
        model, motion, external_loads, generalized_force, time_range, lowpass_hz, lowpass_loads_hz, lowpass_moments_hz,
        reserves, weld, passive_force, gain, geometry, speeds, force_sets, replace_force_set, contact, coordinates,
        muscles, left_out, joint_reactions, reactions_on, reactions_frame,
    )  # fmt: skip
    return read_problem(with_networks(read), n_jobs, cache, progress, device)


def with_networks(read: ReadOptions) -> ReadOptions:
    """Load the networks of muscle paths where ``geometry`` is the folder of a geometry surrogate."""
    geometry = read.geometry
    if isinstance(geometry, (str, os.PathLike)) and geometry not in COMPUTED and Path(geometry).is_dir():
        from ..surrogate.geometry import GeometrySurrogate

        return replace(read, geometry=GeometrySurrogate.load(geometry))
    return read
