"""metabolic_rate: what muscles use, in W, by OpenSim's metabolic probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, explain, shown
from ..files.table import Table
from ..muscle.metabolic_parameters import ByMuscle, Metabolics, ProbeName
from ..muscle.metabolics import DENSITY, SLOW_TWITCH, SPECIFIC_TENSION
from ..problem.arrays import Array
from .effort import rate_of
from .quantities import check_known

if TYPE_CHECKING:
    import pandas as pd

    from .solution import RedundancySolution

MASSLESS = "Load the problem with osimopt.load_problem, or give body_mass= in kg."


def metabolic_rate(
    solution: RedundancySolution,
    probe: ProbeName = "umberger2010",
    *,
    slow_twitch: ByMuscle = SLOW_TWITCH,
    specific_tension: ByMuscle = SPECIFIC_TENSION,
    density: float = DENSITY,
    muscle_mass: Mapping[str, float] | None = None,
    body_mass: float | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Metabolic rate in W of the muscles and the whole body, as OpenSim's probes compute it in the solution's states.

    Static solutions have no excitations: excitation is taken to be activation there. A fibre whose length or velocity
    is unknown (slack tendon, see ``slack``) is taken to have no force and no velocity.

    Parameters
    ----------
    solution
        Of :func:`osimopt.solve_static` or :func:`osimopt.solve_dynamic`, of a problem read from a model.
    probe
        ``"umberger2010"`` [1]_ or ``"bhargava2004"`` [2]_, with the defaults of OpenSim 4.6: negative mechanical work
        counts, and no muscle has a negative rate [3]_.
    slow_twitch : float or mapping of muscle names
        Share of slow-twitch fibres, 0 to 1; muscles that a mapping leaves out have 0.5.
    specific_tension : float or mapping of muscle names, N/m²
        A muscle's mass is max_isometric_force / specific_tension · density · optimal_fiber_length.
    density : float, kg/m³
        Of muscle.
    muscle_mass : mapping of muscle names, kg
        Masses in place of these.
    body_mass : float, kg
        For the basal rate and W/kg; default: the mass of the model.
    **options
        Properties of OpenSim's probe by name: fields of ``osimopt.muscle.metabolics.Umberger2010`` or
        ``Bhargava2004``, as ``include_negative_mechanical_work=False``.

    Returns
    -------
    DataFrame
        W, (T, M + 2): each muscle, ``basal``, and ``total``, their sum; the index is time in s. ``attrs`` has
        ``probe``, ``body_mass_kg``, and ``mean_W_per_kg``, the mean of ``total`` over time (trapezoidal) by body mass.
        Failed frames are NaN; the mean is NaN then.

    Raises
    ------
    InputError
        Wrong options, a problem without muscle parameters, or no body mass for the basal rate.

    References
    ----------
    .. [1] Umberger (2010), doi:10.1098/rsif.2010.0084
    .. [2] Bhargava et al. (2004), doi:10.1016/s0021-9290(03)00239-2
    .. [3] Uchida et al. (2016), doi:10.1371/journal.pone.0150378

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> problem = osimopt.load_problem(arm26().model, arm26().motion, time_range=(0.2, 0.4))
    >>> rate = osimopt.metabolic_rate(osimopt.solve_static(problem), "bhargava2004")
    >>> rate.loc[0.3, ["BIClong", "BRA", "basal", "total"]].round(2).to_dict()
    {'BIClong': 41.01, 'BRA': 0.81, 'basal': 4.08, 'total': 46.61}
    """
    parameters = {
        "slow_twitch": slow_twitch, "specific_tension": specific_tension, "density": density,
        "muscle_mass": muscle_mass, "body_mass": body_mass,
    }  # fmt: skip
    return metabolic_table(solution, probe, Metabolics.of(probe, options, **parameters)).to_dataframe()


def metabolic_table(solution: RedundancySolution, name: str, metabolics: Metabolics) -> Table:
    """The same without pandas."""
    if not hasattr(type(solution), "muscles_in_motion"):
        fix = "Folders have metabolic_rate.sto, where osimopt solve --outputs metabolic_rate wrote it."
        raise InputError(explain("a solution of solve_static or solve_dynamic", shown(solution), fix))
    solution = solution.to("cpu")
    check_known(solution, "metabolic_rate")
    mass = metabolics.mass_of(solution.problem)
    if mass is None and metabolics.probe.basal_rate_on:
        raise InputError(explain("a body mass for the basal rate", "a problem without it", MASSLESS))
    muscles = rate_of(solution.muscles_in_motion, metabolics)
    basal = np.full((len(muscles), 1), 0.0 if mass is None else metabolics.probe.basal(mass))
    total = muscles.sum(axis=1, keepdims=True) + basal
    values = np.hstack([muscles, basal, total])
    values[np.isnan(solution.activation).any(axis=1)] = np.nan
    about = {
        "probe": name,
        "body_mass_kg": mass,
        "mean_W_per_kg": mean_over(solution.time, values[:, -1]) / (mass or np.nan),
    }
    return Table(values, solution.time, (*solution.problem.muscles, "basal", "total"), about)


def mean_over(time: Array, values: Array) -> float:
    """Mean over time by the trapezoidal rule."""
    if len(time) < 2:
        return float(values[0])
    steps = np.diff(time)
    return float(np.sum(0.5 * (values[1:] + values[:-1]) * steps) / steps.sum())
