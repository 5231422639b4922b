"""Simulated and measured contact force at common times, the two peaks of a stride, and the result of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..emg import metrics
from ..problem.arrays import Array
from ..solution.checks import Check

if TYPE_CHECKING:
    import pandas as pd

#: s; lags of the simulation against the measurement that are searched: clocks and filters, not steps.
LAG = 0.15
#: Quarters of stance between which the lowest point separates both peaks.
MIDDLE = (0.25, 0.75)
#: Share of the lesser peak by which the force must fall between two peaks; of stance that must be known.
VALLEY, KNOWN = 0.05, 0.9
#: Cosine between simulated and measured force below which their signs are taken to differ.
OPPOSITE = -0.5
PEAKS = ("first", "second")
#: Statistics in N, which are given in body weights too.
FORCES = ("rmse", "mae", "bias")


@dataclass(frozen=True, eq=False)
class ContactCurves:
    """Simulated and measured force (T, C) in N of C components at T evenly spaced times; NaN where not known.

    ``strides`` are slices of samples, and ``spans`` their (first, last) in s; without any, ``strides`` is empty.
    ``stance`` is the share of a stride in which peaks are searched.
    """

    time: Array
    simulated: Array
    measured: Array
    components: tuple[str, ...]
    strides: tuple[slice, ...]
    spans: tuple[tuple[float, float], ...]
    stance: float
    body_weight: float

    @property
    def inside(self) -> Array:
        """(T,) samples that are compared: those of the strides, all without strides."""
        inside = np.full(len(self.time), not self.strides)
        for part in self.strides:
            inside[part] = True
        return inside

    def pooled(self) -> pd.DataFrame:
        """One row per component: statistics of all samples, the best lag, mean and SD of statistics over strides."""
        import pandas as pd

        rate, inside = (len(self.time) - 1) / (self.time[-1] - self.time[0]), self.inside
        rows = {}
        for column, component in enumerate(self.components):
            a, b = self.simulated[:, column], np.where(inside, self.measured[:, column], np.nan)
            lag, r_lag = metrics.best_lag(a, b, rate, -self._lag, self._lag)
            limit = metrics.is_limit(lag, rate, -self._lag, self._lag)
            rows[component] = {**self._statistics(a, b), "lag": lag, "lag_at_limit": limit, "r_lag": r_lag}
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("component")
        each = self.by_stride()[["r", "rmse", "bias"]].groupby(level="component", sort=False)
        return table.join(each.mean().add_suffix("_mean")).join(each.std().add_suffix("_sd"))

    @property
    def _lag(self) -> float:
        return min(LAG, 0.4 * float(self.time[-1] - self.time[0]))

    def by_stride(self) -> pd.DataFrame:
        """One row per component and stride; empty without strides."""
        import pandas as pd

        rows = [
            {"component": component, "stride": number, "start": self.spans[number][0], "end": self.spans[number][1],
             **self._statistics(self.simulated[part, column], self.measured[part, column])}
            for column, component in enumerate(self.components) for number, part in enumerate(self.strides)
        ]  # fmt: skip
        columns = ["component", "stride", "start", "end", "samples", "r", *FORCES, *(f"{name}_bw" for name in FORCES)]
        return pd.DataFrame(rows, columns=columns).set_index(["component", "stride"])

    def peaks(self) -> pd.DataFrame:
        """Two rows per component and stride: both peaks, simulated and measured, with their times."""
        import pandas as pd

        rows = []
        for column, component in enumerate(self.components):
            for number, (part, (start, end)) in enumerate(zip(self.strides, self.spans, strict=True)):
                curves = {"simulated": self.simulated[part, column], "measured": self.measured[part, column]}
                stance = self.time[part] <= start + self.stance * (end - start) + 1e-9
                found = {name: two_peaks(curve[stance]) for name, curve in curves.items()}
                for which, peak in enumerate(PEAKS):
                    row: dict[str, Any] = {"component": component, "stride": number, "peak": peak}
                    for name, curve in curves.items():
                        at = found[name][which]
                        time = np.nan if at is None else float(self.time[part][at])
                        row[name] = np.nan if at is None else float(curve[at])
                        row |= {f"{name}_time": time, f"{name}_percent": 100.0 * (time - start) / (end - start)}
                    row["error"] = row["simulated"] - row["measured"]
                    row |= {f"{name}_bw": row[name] / self.body_weight for name in (*curves, "error")}
                    rows.append(row)
        values = [f"{name}{unit}" for unit in ("", "_bw") for name in ("simulated", "measured", "error")]
        places = [f"{name}_{unit}" for name in ("simulated", "measured") for unit in ("time", "percent")]
        columns = ["component", "stride", "peak", *values, *places]
        return pd.DataFrame(rows, columns=columns).set_index(["component", "stride", "peak"])

    def doubts(self) -> list[str]:
        """What speaks against the joint's direction or the strides, as sentences."""
        lines = []
        if "axial" in self.components:
            axial = self.simulated[self.inside, self.components.index("axial")]
            pulls = float(np.mean(axial[np.isfinite(axial)] < 0.0))
            if pulls > 0.5:
                lines.append(
                    f"The simulated axial force pulls in {pulls:.0%} of the frames: where the joint's child is the "
                    "upper body, compression has another direction=."
                )
        if not lines:  # a wrong direction= is named already
            lines += self._opposite()
        late = sum(self._late(part, *span) for part, span in zip(self.strides, self.spans, strict=True))
        if late:
            lines.append(
                f"The largest measured force of {late} strides lies after stance ({self.stance:.0%} of a stride): "
                "strides must begin with the foot's contact."
            )
        return lines

    def _opposite(self) -> list[str]:
        """Sentences on components whose measured force points against the simulated one, as wrong signs make it."""
        lines = []
        for column, name in enumerate(self.components):
            a, b = self.simulated[self.inside, column], self.measured[self.inside, column]
            both = np.isfinite(a) & np.isfinite(b)
            size = float(np.linalg.norm(a[both]) * np.linalg.norm(b[both]))
            if float(a[both] @ b[both]) < OPPOSITE * size:
                fix = "on= and the axes" if name.startswith("f") else "compression="
                lines.append(f"The measured {name} force has the opposite sign of the simulated one: check {fix}.")
        return lines

    def _late(self, part: slice, start: float, end: float) -> bool:
        """Whether the largest force of the first component in a stride is measured after stance."""
        force = np.nan_to_num(self.measured[part, 0], nan=-np.inf)
        return bool(force.max() > 0.0 and self.time[part][force.argmax()] > start + self.stance * (end - start) + 1e-9)

    def _statistics(self, a: Array, b: Array) -> dict[str, float]:
        found = {"samples": int((np.isfinite(a) & np.isfinite(b)).sum()), "r": metrics.pearson(a, b)}
        found |= {name: getattr(metrics, name)(a, b) for name in FORCES}
        return found | {f"{name}_bw": found[name] / self.body_weight for name in FORCES}


def two_peaks(force: Array) -> tuple[int | None, int | None]:
    """Samples of the first and the second peak of a force (N,) in stance; None where there is no such peak.

    They are the largest values on both sides of the lowest point between: that in the middle half of stance which lies
    deepest below the lesser of both. Where the force falls there by less than 5 % of the lesser peak there is one peak:
    first or second by the half of stance in which it lies. None where more than a tenth of the force is not known.
    """
    known, count = np.isfinite(force), len(force)
    if count < metrics.FEWEST or known.mean() < KNOWN:
        return None, None
    value = np.where(known, force, -np.inf)
    before, after = np.maximum.accumulate(value), np.maximum.accumulate(value[::-1])[::-1]
    lesser, place = np.minimum(before, after), np.arange(count) / (count - 1)
    depth = np.where(known & (place >= MIDDLE[0]) & (place <= MIDDLE[1]), lesser - value, -np.inf)
    between = int(depth.argmax())
    if depth[between] >= VALLEY * abs(lesser[between]) and depth[between] > 0.0:
        return int(value[:between].argmax()), between + int(value[between:].argmax())
    single = int(value.argmax())
    return (single, None) if place[single] < 0.5 else (None, single)


@dataclass(frozen=True, eq=False, repr=False)
class ContactComparison:
    """Agreement of a joint's contact force with a measured one, as returned by :func:`osimopt.compare_contact`.

    A difference is simulated − measured. Columns that end in ``_bw`` are in body weights, the other forces in N.

    Attributes
    ----------
    joint : str
        The joint.
    curves : ContactCurves
        Both forces of C components at evenly spaced times, the strides, and the body weight in N.
    table : pandas.DataFrame
        One row per component: ``samples``, ``r`` (Pearson's, at no lag), ``rmse``, ``mae`` and ``bias`` (mean
        difference) of all compared samples; ``lag`` (s, positive where the simulation is later), within ± 150 ms, at
        which r would be largest, and ``r_lag`` there; ``r``, ``rmse`` and ``bias`` as mean and SD over strides
        (``_mean``, ``_sd``).
    by_stride : pandas.DataFrame
        r, RMSE, MAE and bias of each component and stride, with ``start`` and ``end`` of the stride in s.
    peaks : pandas.DataFrame
        The first and the second peak in stance of each component and stride: force simulated and measured, their
        difference, times in s and in per cent of the stride. NaN where a curve has one peak only.
    checks : tuple of Check
        Checks that must pass before agreement is meaningful.
    notes : tuple of str
        Remarks on the measured force and the method.
    provenance : dict
        Source of the measured force, and how both were made comparable.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np, osimopt, pandas as pd
    >>> from osimopt.problem.reactions import JointReactions
    >>> time = np.arange(101) / 100.0
    >>> moment = 12.0 - 8.0 * np.cos(4.0 * np.pi * time)
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment, time=time)
    >>> effect = np.tile([[0.0, 0.0], [-1.0, -1.0], [0.0, 0.0]], (101, 1, 1))
    >>> elbow = JointReactions.from_arrays("elbow", np.zeros((101, 3)), effect, problem.muscles, body_weight=700.0)
    >>> solution = osimopt.solve_static(replace(problem, reactions=elbow))
    >>> measured = pd.DataFrame({"percent": 100.0 * time, "force": solution.muscle_force.sum(axis=1) + 50.0})
    >>> comparison = osimopt.compare_contact(solution, measured, "force", joint="elbow", stance=1.0)
    >>> comparison
    <ContactComparison: elbow, 1 strides, axial RMSE 50 N, r 1.00>
    >>> print(comparison.findings()[1])
    axial, first peak: 431 N at 25 % of the stride, measured 481 N at 25 %.
    """

    joint: str
    curves: ContactCurves
    table: pd.DataFrame
    by_stride: pd.DataFrame
    peaks: pd.DataFrame
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return one line."""
        found = ", ".join(f"{name} RMSE {row['rmse']:.0f} N, r {row['r']:.2f}" for name, row in self.table.iterrows())
        return f"<ContactComparison: {self.joint}, {len(self.curves.strides)} strides, {found}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Both forces in N; columns are (component, "simulated" or "measured"), the index is time in s."""
        import pandas as pd

        curves = self.curves
        columns = {
            (name, what): getattr(curves, what)[:, column]
            for column, name in enumerate(curves.components) for what in ("simulated", "measured")
        }  # fmt: skip
        return pd.DataFrame(columns, index=pd.Index(curves.time, name="time"))

    def findings(self) -> list[str]:
        """Agreement of each component, failed checks and notes, as sentences."""
        failed = [check for check in self.checks if check.passes is False]
        each = zip(self.table.index, self.agreement(), strict=True)
        agreed = [line for name, agreement in each for line in (f"{agreement}.", *self._peaks(name))]
        return [
            *agreed, *(f"{check.name}: {check.found}, the limit is {check.limit}." for check in failed), *self.notes
        ]  # fmt: skip

    def agreement(self) -> list[str]:
        """RMSE, r, bias and lag of each component, in words."""
        return [self._agreement(name) for name in self.table.index]

    def summary(self) -> dict[str, Any]:
        """Tables as lists of rows, findings and provenance, ready for JSON."""
        tables = {name: getattr(self, name).reset_index() for name in ("table", "by_stride", "peaks")}
        return {
            "joint": self.joint,
            "body_weight_N": self.curves.body_weight if np.isfinite(self.curves.body_weight) else None,
            "strides": [list(span) for span in self.curves.spans],
            **{name: t.astype(object).where(t.notna(), None).to_dict("records") for name, t in tables.items()},
            "findings": self.findings(),
            **self.provenance,
        }

    def _agreement(self, component: Any) -> str:
        row = self.table.loc[component]
        weights = f" ({row['rmse_bw']:.2f} body weights)" if np.isfinite(row["rmse_bw"]) else ""
        text = f"{component}: RMSE {row['rmse']:.0f} N{weights}, r {row['r']:.2f}, bias {row['bias']:+.0f} N"
        if not np.isfinite(row["r_lag"]) or round(1e3 * row["lag"]) == 0:
            return text
        at_least = "at least " if row["lag_at_limit"] else ""
        by = f"{at_least}{abs(1e3 * row['lag']):.0f} ms {'late' if row['lag'] > 0.0 else 'early'}"
        return f"{text}; the simulation is {by}, without that r would be {row['r_lag']:.2f}"

    def _peaks(self, component: Any) -> list[str]:
        """Both peaks as means over strides, and where a curve has one only."""
        lines, peaks = [], self.peaks.loc[[component]] if len(self.peaks) else self.peaks
        for peak in PEAKS if len(peaks) else ():
            rows = peaks.xs(peak, level="peak")
            both = rows[rows["error"].notna()]
            if len(both):
                simulated, measured = (
                    f"{both[name].mean():.0f} N at {both[f'{name}_percent'].mean():.0f} %"
                    for name in ("simulated", "measured")
                )
                lines.append(f"{component}, {peak} peak: {simulated} of the stride, measured {measured}.")
            for name, other in (("simulated", "measured"), ("measured", "simulated")):
                lacking = int((rows[name].isna() & rows[other].notna()).sum())
                if lacking:
                    lines.append(f"{component}, {peak} peak: not in the {name} force of {lacking} strides.")
        return lines
