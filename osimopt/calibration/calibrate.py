"""calibrate: a person's muscles from trials with motion, moments and EMG."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..emg.mapping import EmgMapping
from ..errors import InputError, explain, shown
from ..muscle.tendons import Tendon
from ..options import check_word, is_number
from ..problem.problem import RedundancyProblem
from .calibration import Calibration, moment_table, parameter_table
from .fit import APART, ASSISTED_NOISE, FIRST_NOISE, Estimate, fit
from .identifiability import combinations, identify, profile
from .parameters import KINDS, USUAL, Parameters, Prior, gain_of_mvc
from .preparation import GivenEmg, Shared, by_trial, envelopes_of, prepare
from .residuals import Mode, Residuals
from .trial import CalibrationTrial


def calibrate(
    problems: RedundancyProblem | Mapping[str, RedundancyProblem] | Sequence[RedundancyProblem],
    emg: GivenEmg | Mapping[str, GivenEmg] | Sequence[GivenEmg],
    mapping: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str],
    parameters: Sequence[str] | Mapping[str, Any] = USUAL,
    priors: Mapping[str, Prior | Mapping[str, Prior]] | None = None,
    *,
    mode: Mode = "driven",
    coordinates: Sequence[str] | None = None,
    tendon: Tendon = "rigid",
    shift: float | Mapping[str, float] | Sequence[float] = 0.0,
    left_out: Sequence[str] = (),
    follow: bool = True,
    passive: float | None = None,
    profiles: Sequence[str] | bool = False,
    starts: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Calibrate muscles and EMG of a person from one or several trials.

    The parameters are those of the largest posterior probability: least squares of moments (and, in the assisted mode,
    of activations) over the noise that they show, and of parameters over their priors. Derivatives are exact.

    Parameters
    ----------
    problems : RedundancyProblem, mapping or sequence of these
        Trials of one person, from :func:`osimopt.load_problem`, by name; any activities.
    emg : Emg, DataFrame, path-like, mapping or sequence of these
        EMG of each trial, by the same names: envelopes, or raw EMG, which is processed with the default filters.
        Channels are divided by their largest value in all trials.
    mapping : EmgMapping, mapping or path-like
        Muscles by channel, as of :func:`osimopt.compare_emg`.
    parameters : sequence of str, or mapping
        Among ``max_isometric_force``, ``optimal_fiber_length``, ``tendon_slack_length``, ``tendon_strain`` (elastic
        tendons), ``gain``, ``shape``, ``delay``. A mapping tells who shares a value: ``"each"`` muscle or channel,
        the muscles of a ``"channel"``, ``"all"``, or ``{group: names}``.
    priors : mapping of str to Prior, optional
        In place of the usual priors and bounds (docs/calibration.md), by parameter, or by parameter and member.
    mode : {"driven", "assisted"}
        ``"driven"``: activations follow from EMG alone. ``"assisted"``: they may differ from it (standard deviation
        0.05), and muscles without EMG are free (0.3), so that moments are met.
    coordinates : sequence of str, optional
        Whose moments are fitted. By default those of whose muscles at least 80 % have EMG, by moment capacity, in both
        directions, and whose moment's range is at least a tenth of the largest of these.
    tendon : {"rigid", "compliant"}
        Elastic tendons are in equilibrium with their fibres in every frame; for the driven mode only.
    shift : float, mapping or sequence of float, default 0
        Time in s that is added to the times of EMG, by trial.
    left_out : sequence of str
        Channels that are not used.
    follow : bool, default True
        Muscles without EMG follow synergists, as vastus intermedius the other vasti; ``notes`` lists them.
    passive : float, optional
        Standard deviation of passive forces about 0, as a share of a muscle's strength: a further term of the loss, for
        motions in which no muscle is stretched far. Without it only moments tell passive forces.
    profiles : bool or sequence of str, default False
        Parameters (kinds) whose intervals are profiles of the objective, in place of its curvature; True for all.
    starts : int, default 3
        Number of starting points: the priors' means, then random draws of the priors.
    seed : int, default 0
        Of the random draws.
    progress : callable, optional
        Called with (steps done, number of steps).

    Returns
    -------
    Calibration
        Parameters with intervals, what the data determine, and moments before and after.

    Raises
    ------
    InputError
        Trials that do not belong together, EMG that does not cover a trial or has gaps, unknown names, or no
        coordinate whose muscles have EMG.

    References
    ----------
    Lloyd DG, Besier TF (2003). An EMG-driven musculoskeletal model to estimate muscle forces and knee joint moments in
    vivo. J Biomech 36, 765-776. doi:10.1016/S0021-9290(03)00010-1

    Pizzolato C, Lloyd DG, Sartori M, et al. (2015). CEINMS: a toolbox to investigate the influence of different neural
    control solutions on the prediction of muscle excitation and joint moments during dynamic motor tasks. J Biomech
    48(14), 3929-3936. doi:10.1016/j.jbiomech.2015.09.021

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.8))
    >>> activation = osimopt.solve_static(problem).activation  # stands for EMG of all muscles
    >>> emg = osimopt.Emg(problem.time, activation, problem.muscles, envelope=True)
    >>> found = osimopt.calibrate(problem, emg, {name: name for name in problem.muscles}, ["gain", "delay"])
    >>> found.moments.shape
    (2, 6)
    """
    check_word("mode", mode, ("driven", "assisted"))
    check_word("tendon", tendon, ("rigid", "compliant"))
    if mode == "assisted" and tendon == "compliant":
        fix = "Use tendon='rigid', or mode='driven'."
        raise InputError(explain("rigid tendons in the assisted mode", "tendon='compliant'", fix))
    if passive is not None and not (is_number(passive) and passive > 0.0):
        raise InputError(explain("passive above 0", shown(passive), "0.05 is 5 % of the strength; None is without."))
    if not (isinstance(starts, int) and starts >= 1):
        raise InputError(explain("at least one start", repr(starts), "3 is the default."))
    named = by_trial(problems, "problems")
    recorded = {name: envelopes_of(one) for name, one in by_trial(emg, "EMG", tuple(named)).items()}
    shifts = by_trial(shift, "shift", tuple(named))
    sharing = _sharing(parameters, tendon)
    setup = prepare(named, recorded, mapping, coordinates, left_out, follow, tendon == "compliant")
    trials = tuple(setup.trial(name, problem, recorded[name], float(shifts[name])) for name, problem in named.items())
    known = dict(priors or {})
    if "gain" not in known and all(one.amplitude == "mvc" for one in recorded.values()):
        known["gain"] = {channel: gain_of_mvc(value) for channel, value in setup.largest.items()}
    baseline = fit(_residuals(trials, setup, {"gain": "each"}, known, "driven"), 1, seed)
    best = fit(_residuals(trials, setup, sharing, known, mode, passive), starts, seed, progress)
    found = identify(best)
    wanted = set(sharing) if profiles is True else set(profiles or ())
    ends = {
        number: profile(best, number, found.deviation[number])
        for number, item in enumerate(best.residuals.unknowns.items)
        if item.kind in wanted
    }
    record = {
        "mode": mode, "tendon": tendon, "passive": passive,
        "parameters": {kind: str(how) for kind, how in sharing.items()},
        "coordinates": list(setup.coordinates), "trials": list(named), "seed": seed, "starts": list(best.starts),
        "channels": {channel: list(muscles) for channel, muscles in setup.measured.items()},
        "largest": dict(setup.largest), "shift": {name: float(value) for name, value in shifts.items()},
        "noise": _noise(best, setup),
    }  # fmt: skip
    return Calibration(
        parameter_table(best, found, ends), moment_table(trials, best, baseline), combinations(best, found), mode,
        (*setup.notes, *_start_notes(best)), record, setup, best, baseline,
    )  # fmt: skip


def _sharing(parameters: Sequence[str] | Mapping[str, Any], tendon: Tendon) -> dict[str, Any]:
    """Who shares each kind of parameter."""
    given = parameters if isinstance(parameters, Mapping) else None
    kinds = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise InputError(explain(f"parameters among {', '.join(KINDS)}", ", ".join(map(str, unknown)), "Choose some."))
    if not kinds:
        raise InputError(explain("at least one parameter", "none", f"{', '.join(USUAL)} are the default."))
    if "tendon_strain" in kinds and tendon == "rigid":
        fix = "Use tendon='compliant', or leave tendon_strain out."
        raise InputError(explain("elastic tendons with tendon_strain", "tendon='rigid'", fix))
    return {kind: KINDS[kind].shared if given is None else given[kind] for kind in kinds}


def _residuals(
    trials: tuple[CalibrationTrial, ...], setup: Shared, sharing: Mapping[str, Any], priors: Mapping[str, Any],
    mode: Mode, passive: float | None = None,
) -> Residuals:  # fmt: skip
    """Residuals before the noise is known."""
    unknowns = Parameters.of(sharing, priors, trials[0].own, setup.measured, setup.share)
    span = np.max([np.ptp(trial.moment, axis=0) for trial in trials], axis=0)
    if (flat := span <= 0.0).any():
        name = setup.coordinates[int(flat.argmax())]
        raise InputError(explain(f"moments of {name} that change", "the same in all frames", "Leave it out."))
    share = FIRST_NOISE if mode == "driven" else ASSISTED_NOISE
    steps = [float(np.median(np.diff(trial.time))) for trial in trials]
    weight = tuple(np.full(len(span), np.sqrt(min(1.0, step / APART))) for step in steps)
    return Residuals(trials, unknowns, mode, (share * span,) * len(trials), weight, setup.coordinates, passive=passive)


def _noise(best: Estimate, setup: Shared) -> dict[str, Any]:
    """Noise by which the fit was weighted."""
    spectrum = best.residuals.spectrum
    if spectrum is None:
        return {}
    moments = dict(zip(setup.coordinates, spectrum.deviation.tolist(), strict=True))
    return {"moments": moments, "time": spectrum.time, "emg": spectrum.emg, "emg_time": spectrum.emg_time}


def _start_notes(best: Estimate) -> list[str]:
    """Whether all starts ended in the same minimum."""
    low, high = min(best.starts), max(best.starts)
    if high - low <= 0.02 * max(low, 1.0):
        return []
    text = ", ".join(f"{value:.1f}" for value in best.starts)
    return [f"Starting points ended in different minima (objective {text}); the least one counts: try more starts."]
