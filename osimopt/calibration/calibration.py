"""Calibration: the parameters that were found, how sure they are, and what they predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..analysis.perturb import pennation_of
from ..emg.metrics import pearson
from ..errors import InputError, explain, some
from ..muscle.forces import rigid_tendon_gain, rigid_tendon_passive
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from .assisted import assisted_solution
from .fit import Estimate
from .identifiability import DETERMINED, NORMAL, Identified
from .parameters import KINDS, Parameters, strain_of
from .preparation import GivenEmg, Shared, by_trial, envelopes_of
from .residuals import NEAR_EMG, WITHOUT_EMG, Mode, Residuals
from .trial import CalibrationTrial, Driven

if TYPE_CHECKING:
    import pandas as pd


class Judged(NamedTuple):
    """How a calibration does on trials that it was not made of: see :meth:`Calibration.judge`."""

    moments: pd.DataFrame
    channels: pd.DataFrame
    trials: tuple[CalibrationTrial, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Muscles of a person, calibrated from trials with motion, moments and EMG, as :func:`osimopt.calibrate` returns.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per parameter, index (parameter, of): ``unit``, the ``members`` that share it, ``nominal`` (the model's
        value; NaN of EMG parameters), the prior's 95 % range ``prior_low`` and ``prior_high``, ``value`` with its 95 %
        interval ``low`` and ``high``, ``determined`` (share of the information that is the data's, 0 to 1) and
        ``at_bound``. Of groups, values are those of the first member.
    moments : pandas.DataFrame
        One row per trial and coordinate of the calibration: RMSE (N·m), ``nrmse`` (RMSE over the range of the measured
        moment) and r of the EMG-driven moments; ``before`` is the generic model with one fitted gain per channel.
    combinations : pandas.DataFrame
        Combinations of parameters, the best determined first.
    mode : {"driven", "assisted"}
        How activations followed EMG.
    notes : tuple of str
        Remarks on what was used.
    provenance : dict
        Settings and inputs.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.8))
    >>> activation = osimopt.solve_static(problem).activation  # stands for EMG of all muscles
    >>> emg = osimopt.Emg(problem.time, activation, problem.muscles, envelope=True)
    >>> mapping = {name: name for name in problem.muscles}
    >>> found = osimopt.calibrate(problem, emg, mapping, ["gain", "max_isometric_force"], starts=1)
    >>> sorted(found.model_values())
    ['max_isometric_force']
    >>> found.solve(problem, emg).success
    True
    """

    table: pd.DataFrame
    moments: pd.DataFrame
    combinations: pd.DataFrame
    mode: Mode
    notes: tuple[str, ...]
    provenance: dict[str, Any]
    setup: Shared
    best: Estimate
    baseline: Estimate

    def __repr__(self) -> str:
        """Return one line: sizes, and the error of moments before and after."""
        errors = self.moments["nrmse"].mean(), self.moments["nrmse_before"].mean()
        about = f"{len(self.table)} parameters, {len(self.setup.coordinates)} coordinates"
        return f"<Calibration ({self.mode}): {about}, moment nRMSE {errors[1]:.1%} before, {errors[0]:.1%} after>"

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles that were modelled."""
        return self.setup.muscles

    def parameters(self) -> pd.DataFrame:
        """Muscle parameters before and after: one row per muscle and parameter that was calibrated."""
        import pandas as pd

        unknowns, x, own = self.best.residuals.unknowns, self.best.x, self.best.residuals.trials[0].own
        new, rows = unknowns.apply(x, own), []
        for kind in (name for name in KINDS if KINDS[name].of == "muscle"):
            for muscle, item in enumerate(unknowns.owner(kind)):
                if item >= 0:
                    pair = (strain_of(own), strain_of(new)) if kind == "tendon_strain" else (
                        getattr(own, kind), getattr(new, kind)
                    )  # fmt: skip
                    rows.append((own.names[muscle], kind, KINDS[kind].unit, *(float(v[muscle]) for v in pair)))
        table = pd.DataFrame(rows, columns=["muscle", "parameter", "unit", "model", "calibrated"])
        return table.set_index(["muscle", "parameter"])

    def model_values(self) -> dict[str, dict[str, float]]:
        """Calibrated values by parameter and muscle, for a model file."""
        out: dict[str, dict[str, float]] = {}
        table = self.parameters()
        for (muscle, kind), value in zip(table.index.to_flat_index(), table["calibrated"].to_numpy(), strict=True):
            out.setdefault(str(kind), {})[str(muscle)] = float(value)
        return out

    def problem(self, problem: RedundancyProblem) -> RedundancyProblem:
        """A problem of the same model with the calibrated muscles: maximum and passive forces are computed anew.

        Passive forces are included, as in the calibration. Its solutions by :func:`osimopt.solve_static` are the
        *optimised* mode on the calibrated model.

        Raises
        ------
        InputError
            A problem without a model, or without these muscles.
        """
        own, geometry = problem.parameters, problem.geometry
        if own is None or geometry.length is None or geometry.lengthening_speed is None:
            raise InputError(explain("a problem with muscle parameters and lengths", "none", "Use load_problem."))
        if lacking := [name for name in self.muscles if name not in problem.muscles]:
            raise InputError(explain("the calibrated muscles in the problem", f"no {some(lacking)}", "Keep them."))
        pennation = pennation_of(problem)
        new = self._applied(own)
        gain = rigid_tendon_gain(new, geometry.length, geometry.lengthening_speed, pennation)
        passive = rigid_tendon_passive(new, geometry.length)
        record = {**problem.provenance, "calibration": {"parameters": len(self.table), "mode": self.mode}}
        return replace(problem, parameters=new, max_force=gain, passive_force=passive, provenance=record)

    def _applied(self, own: Any) -> Any:
        """Parameters of all muscles of a problem with the calibrated ones in their places."""
        unknowns, rows = self.best.residuals.unknowns, [own.names.index(name) for name in self.muscles]
        new, changed = unknowns.apply(self.best.x, own.select(np.array(rows))), {}
        for name in ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length"):
            changed[name] = np.array(getattr(own, name))
            changed[name][rows] = getattr(new, name)
        properties = {name: np.array(values, dtype=float) for name, values in own.properties.items()}
        for name, values in properties.items():
            values[rows] = new.properties[name]
        return replace(own, properties=properties, **changed)

    def drive(self, problem: RedundancyProblem, emg: GivenEmg, shift: float = 0.0) -> Driven:
        """What the EMG of a trial predicts with the calibrated muscles.

        Returns
        -------
        Driven
            ``activation`` (T, M) of :attr:`muscles`, ``forces`` with ``force`` (T, M) in N, ``moment`` (T, D) in N·m.
        """
        trial = self.setup.trial("the trial", problem, envelopes_of(emg), shift)
        return trial.drive(self.best.residuals.unknowns, self.best.x)

    def solve(self, problem: RedundancyProblem, emg: GivenEmg, shift: float = 0.0) -> RedundancySolution:
        """EMG-assisted solution of a whole problem with the calibrated muscles, to compare or write as any other.

        Activations of muscles with EMG are nearest to it; the other ones, and reserves, do what is left.

        Parameters
        ----------
        problem : RedundancyProblem
            Of the same model; all its coordinates are balanced.
        emg : Emg, DataFrame or path-like
            EMG of the trial.
        shift : float, default 0
            Time in s that is added to the times of EMG.

        Returns
        -------
        RedundancySolution
            ``problem`` is the one with the calibrated muscles. Frames that cannot be balanced hold NaN.
        """
        driven, new = self.drive(problem, emg, shift), self.problem(problem)
        trial = self.setup.trial("the trial", problem, envelopes_of(emg), shift)
        columns = [new.muscles.index(name) for name in self.muscles]
        aim = np.broadcast_to(new.lower, new.max_force.shape).copy()
        activation = np.stack([np.interp(new.time, trial.time, own) for own in driven.activation.T], axis=1)
        aim[:, columns] = activation
        spread = np.full(len(new.muscles), WITHOUT_EMG)
        spread[columns] = np.where(trial.share.any(axis=1), NEAR_EMG, WITHOUT_EMG)
        return assisted_solution(new, aim, spread)

    def judge(
        self,
        problems: RedundancyProblem | Mapping[str, RedundancyProblem],
        emg: Any,
        shift: float | Mapping[str, float] = 0.0,
    ) -> Judged:
        """Judge by trials that were not calibrated on.

        Parameters
        ----------
        problems, emg, shift
            As of :func:`osimopt.calibrate`, of other trials.

        Returns
        -------
        Judged
            ``moments``, as :attr:`moments`, of these trials; ``channels``, one row per trial and channel: r of its
            envelope with the activation of its muscles, where all other channels assist and it is left out,
            ``r_before`` with the generic model (NaN with elastic tendons); ``trials``, their arrays.

        Raises
        ------
        InputError
            As :func:`osimopt.calibrate`.
        """
        named = by_trial(problems, "problems")
        recorded, shifts = by_trial(emg, "EMG", tuple(named)), by_trial(shift, "shift", tuple(named))
        trials = tuple(
            self.setup.trial(name, problem, envelopes_of(recorded[name]), float(shifts[name]))
            for name, problem in named.items()
        )
        return Judged(moment_table(trials, self.best, self.baseline), self._channels(trials), trials)

    def _channels(self, trials: Sequence[CalibrationTrial]) -> pd.DataFrame:
        import pandas as pd

        rows = []
        for trial in trials:
            for column, channel in enumerate(trial.envelopes.channels):
                pair = [_left_out_r(trial, fit, column) for fit in (self.best, self.baseline)]
                rows.append((trial.name, channel, *pair))
        return pd.DataFrame(rows, columns=["trial", "channel", "r", "r_before"]).set_index(["trial", "channel"])

    def findings(self) -> list[str]:
        """What a reader has to know: parameters at their bounds, what is not determined, moments that do not fit."""
        table, found = self.table, []
        if len(bound := table[table["at_bound"]]):
            found.append(
                f"At a bound: {some(_labels(bound), 8)}. Data and bounds disagree there, or the model is wrong."
            )
        if ("delay", "all") in table.index and table.loc[("delay", "all"), "at_bound"]:
            found.append("A delay at its bound asks for a look at the clock of EMG: compare_emg estimates it.")
        few = [
            f"{kind} {int((own < DETERMINED).sum())} of {len(own)}"
            for kind, own in table["determined"].groupby(level=0, sort=False)
            if (own < DETERMINED).any()
        ]
        if few:
            found.append(f"Not determined by the data, so that they stay near their priors: {', '.join(few)}.")
        worse = self.moments[self.moments["nrmse"] > self.moments["nrmse_before"]]
        if len(worse):
            names = [f"{coordinate} in {trial}" for trial, coordinate in worse.index]
            found.append(f"Moments that fit worse than with the generic model and fitted gains: {some(names)}.")
        return [*found, *self.notes]


def _labels(table: pd.DataFrame) -> list[str]:
    return [f"{kind} of {name}" for kind, name in table.index]


def _left_out_r(trial: CalibrationTrial, fit: Estimate, column: int) -> float:
    """Correlation of a channel with its muscles' activations, where the others' EMG assists."""
    if trial.elastic:
        return float("nan")
    unknowns = fit.residuals.unknowns
    without = trial.share.copy()
    own = without[:, column] > 0.0
    without[:, column] = 0.0
    total = without.sum(axis=1, keepdims=True)
    blind = replace(trial, share=np.divide(without, total, out=np.zeros_like(without), where=total > 0.0))
    residuals = Residuals((blind,), unknowns, "assisted", (fit.residuals.noise[0],), (np.ones(blind.arm.shape[1]),))
    activation = residuals.assist(0, fit.x).activation[:, own & ~blind.share.any(axis=1)]
    if not activation.shape[1]:  # all its muscles have other channels, too
        return float("nan")
    measured = trial.levels(unknowns, fit.x).value[:, column]
    return pearson(activation.mean(axis=1), measured)


def moment_table(trials: Sequence[CalibrationTrial], best: Estimate, baseline: Estimate) -> pd.DataFrame:
    """EMG-driven moments of trials against the measured ones, with the calibrated and with the generic muscles."""
    import pandas as pd

    rows = []
    for trial in trials:
        span = np.ptp(trial.moment, axis=0)
        results = {}
        for suffix, fit in (("", best), ("_before", baseline)):
            moment = trial.drive(fit.residuals.unknowns, fit.x).moment
            error = np.sqrt(np.mean((moment - trial.moment) ** 2, axis=0))
            r = [pearson(a, b) for a, b in zip(moment.T, trial.moment.T, strict=True)]
            results[f"rmse{suffix}"], results[f"r{suffix}"] = error, r
            results[f"nrmse{suffix}"] = error / np.where(span > 0.0, span, np.nan)
        for row, coordinate in enumerate(best.residuals.coordinates):
            rows.append(
                {"trial": trial.name, "coordinate": coordinate, **{k: float(v[row]) for k, v in results.items()}}
            )
    return pd.DataFrame(rows).set_index(["trial", "coordinate"])


def parameter_table(fit: Estimate, found: Identified, ends: Mapping[int, tuple[float, float]]) -> pd.DataFrame:
    """Table of a calibration's parameters; ``ends`` are profile intervals, in x, of those that have one."""
    import pandas as pd

    unknowns, own = fit.residuals.unknowns, fit.residuals.trials[0].own
    low, high = unknowns.bounds()
    rows = []
    for number, item in enumerate(unknowns.items):
        kind, half = KINDS[item.kind], NORMAL * found.deviation[number]
        here = ends.get(number, (fit.x[number] - half, fit.x[number] + half))
        nominal = _nominal(unknowns, own, item.kind, item.members[0])
        at = {"value": fit.x[number], "low": here[0], "high": here[1], "prior_low": -NORMAL, "prior_high": NORMAL}
        raw = {
            name: item.prior.mean + item.prior.deviation * np.clip(x, low[number], high[number])
            for name, x in at.items()
        }
        factor = nominal if kind.prior.relative else 1.0
        values = {name: float(factor * np.exp(x)) if kind.prior.log else float(x) for name, x in raw.items()}
        rows.append(
            {
                "parameter": item.kind, "of": item.name, "unit": kind.unit, "members": " ".join(item.members),
                "nominal": nominal, **values, "determined": float(found.determined[number]),
                "at_bound": bool(found.at_bound[number]), "interval": "profile" if number in ends else "linear",
            }
        )  # fmt: skip
    columns = ["parameter", "of", "unit", "nominal", "prior_low", "prior_high", "value", "low", "high", "determined",
               "at_bound", "interval", "members"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).set_index(["parameter", "of"])


def _nominal(unknowns: Parameters, own: Any, kind: str, member: str) -> float:
    if KINDS[kind].of == "channel":
        return float("nan")
    values: Array = strain_of(own) if kind == "tendon_strain" else getattr(own, kind)
    return float(values[own.names.index(member)])
