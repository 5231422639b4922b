"""What a solution amounts to, in numbers that add up: of all frames at once, or piece by piece."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import some
from .checks import RESERVE_SHARE, Check, Evidence, percent

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem
    from .solution import RedundancySolution, Status

Array = NDArray[np.float64]

#: Activation this near to its upper bound is on it.
AT_BOUND = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """Counts and peaks over frames.

    ``evidence`` is what the checks judge. ``first`` has, by status other than solved, time (s) and detail of its first
    frame. ``produced`` (K, D) are the peaks of what each reserve does to each coordinate, ``force`` and
    ``activation`` (M,) of the muscles; ``at_top`` (M,) frames at the upper bound of activation,
    ``powerless`` (M,) those in which a muscle cannot produce force, or of fibres in equilibrium with compliant tendons
    (``slack``) those solved ones in which its tendon is slack; ``notices`` are what reading the model and the motion
    brought up.
    """

    names: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    evidence: Evidence
    counts: Counter[Status]
    first: dict[Status, tuple[float, str]]
    produced: Array
    force: Array
    force_sum: Array
    activation: Array
    at_top: NDArray[np.intp]
    residual: float
    objective: float
    certified: int
    activation_error: float
    ambiguous: int | None
    powerless: NDArray[np.intp]
    slack: bool
    notices: tuple[str, ...]

    @classmethod
    def of(cls, solution: RedundancySolution) -> Summary:
        """Count a solution."""
        problem, solved = solution.problem, solution.solved
        failed = np.flatnonzero(~solved).tolist()
        first = {solution.status[i]: (float(solution.time[i]), solution.detail.get(i, "")) for i in reversed(failed)}
        gap, error = solution.gap, solution.activation_error
        slack, powerless = _in_equilibrium(solution), problem.max_force <= 0.0
        if slack:  # a frame without equilibrium has no force either, but says so itself
            powerless &= (problem.passive_force <= 0.0) & solved[:, None]
        return cls(
            names=(problem.muscles, problem.coordinates, problem.reserves.names),
            evidence=Evidence.of(
                solution.time,
                solved,
                problem.coordinates,
                problem.geometry.served,
                problem.generalized_force,
                carried(problem, solution.reserve_control),
                {**problem.provenance, "self_check": solution.provenance.get("self_check", {})},
            ),
            counts=Counter(solution.status.tolist()),
            first=first,
            produced=_produced(solution),
            force=_peak(solution.muscle_force[solved]),
            force_sum=solution.muscle_force[solved].sum(axis=0),
            activation=_peak(solution.activation[solved]),
            at_top=np.sum(solution.activation > problem.upper - AT_BOUND, axis=0),
            residual=float(np.abs(solution.moment_residual[solved]).max(initial=0.0)),
            objective=float(np.sum(solution.objective[solved])),
            certified=0 if gap is None else int(np.isfinite(gap[solved]).sum()),
            activation_error=float("nan") if error is None else _largest(error),
            ambiguous=None if solution.unique is None else int(np.sum(~solution.unique & solved)),
            powerless=np.sum(powerless, axis=0),
            slack=slack,
            notices=tuple(problem.provenance.get("warnings", ())),
        )

    def __add__(self, later: Summary) -> Summary:
        """Both together, this one first."""
        return Summary(
            self.names,
            self.evidence + later.evidence,
            self.counts + later.counts,
            later.first | self.first,
            np.maximum(self.produced, later.produced),
            np.fmax(self.force, later.force),
            self.force_sum + later.force_sum,
            np.fmax(self.activation, later.activation),
            self.at_top + later.at_top,
            max(self.residual, later.residual),
            self.objective + later.objective,
            self.certified + later.certified,
            float(np.fmax(self.activation_error, later.activation_error)),
            None if self.ambiguous is None or later.ambiguous is None else self.ambiguous + later.ambiguous,
            self.powerless + later.powerless,
            self.slack,
            tuple(dict.fromkeys(self.notices + later.notices)),
        )

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return sum(self.counts.values())

    @property
    def solved(self) -> int:
        """How many of them were solved."""
        return sum(count for status, count in self.counts.items() if status.ok)

    def checks(self) -> list[Check]:
        """The checks: frames, loads, reserves, residuals."""
        return self.evidence.checks()

    def reserve_share(self) -> dict[str, tuple[str, float]]:
        """By reserve: the coordinate it acts on most, and its peak there as a share of that coordinate's peak moment.

        Actuators on coordinates without muscles carry everything by design and are left out.
        """
        shares = {}
        _, coordinates, reserves = self.names
        for name, peaks in zip(reserves, self.produced, strict=True):
            row = int(np.argmax(peaks))
            if self.evidence.served[row] and peaks[row] > 0.0:
                shares[name] = (coordinates[row], float(peaks[row] / max(self.evidence.moment.size[row], 1e-12)))
        return shares

    def residual_peak(self) -> dict[str, float]:
        """Peak generalized force, N·m or N, on each coordinate of a free base: the residuals."""
        return {self.names[1][row]: self._peak_moment(row) for row in self.evidence.floating}

    def unserved_peak(self) -> dict[str, float]:
        """Peak generalized force, N·m or N, on each coordinate that no muscle serves, of a free base or not."""
        rows = np.flatnonzero(~self.evidence.served).tolist()
        return {self.names[1][row]: self._peak_moment(row) for row in rows}

    def _peak_moment(self, row: int) -> float:
        return round(float(self.evidence.moment.size[row]), 3)

    def _beyond_share(self) -> list[str]:
        """A sentence for each coordinate whose reserves carry more than they may."""
        said, shares = [], self.evidence.reserve_share
        for row in np.flatnonzero(shares > RESERVE_SHARE).tolist():
            acting = [name for name, peaks in zip(self.names[2], self.produced, strict=True) if peaks[row] > 0.0]
            verb = "carries" if len(acting) == 1 else "carry"
            what = f"{percent(shares[row])} of the peak moment of {self.names[1][row]}"
            said.append(f"{some(acting, 4)} {verb} {what} (the limit is {percent(RESERVE_SHARE)}).")
        return said

    def findings(self) -> list[str]:
        """What a careful reader should know, in sentences: failures first, then reserves, muscles, and the input."""
        said = []
        for status, (time, detail) in sorted(self.first.items(), key=lambda item: item[0].rank):
            said.append(
                f"{self.counts[status]} of {self.frames} frames {status.name.lower()}, the first at {time:g} s. "
                f"{status.value} {detail}".strip()
            )
        said += self._beyond_share()
        if self.ambiguous:
            said.append(f"In {self.ambiguous} frames the minimiser is not unique; the one of least norm is given.")
        if saturated := [f"{m} ({n})" for m, n in zip(self.names[0], self.at_top, strict=True) if n]:
            said.append(f"At their upper bound (frames): {some(saturated, 12)}.")
        if powerless := [f"{m} ({n})" for m, n in zip(self.names[0], self.powerless, strict=True) if n]:
            what = "With a slack tendon" if self.slack else "Without any force at full activation"
            why = "" if self.slack else ", or their tendons are slack"
            said.append(f"{what} (frames): {some(powerless, 12)}; their fibres are too short or shorten too fast{why}.")
        return said + list(self.notices)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``solution.json``."""
        muscles = self.names[0]
        return {
            "frames": self.frames,
            "status": {status.name.lower(): count for status, count in self.counts.items()},
            "checks": [asdict(check) for check in self.checks()],
            "moment_residual_max": self.residual if self.solved else None,
            "objective_mean": self.objective / self.solved if self.solved else None,
            "peak_force_N": {m: round(float(f), 3) for m, f in zip(muscles, self.force, strict=True) if np.isfinite(f)},
            "reserve_share": {
                name: {"coordinate": coordinate, "share_of_peak_moment": round(share, 4)}
                for name, (coordinate, share) in self.reserve_share().items()
            },
            "residual_peak": self.residual_peak(),
            "unserved_peak": self.unserved_peak(),
            "certified_frames": self.certified,
            "activation_error_max": None if np.isnan(self.activation_error) else self.activation_error,
            "unique": None if self.ambiguous is None else not self.ambiguous,
            "findings": self.findings(),
        }


def carried(problem: RedundancyProblem, control: Array) -> Array:
    """(T, D) N·m, or N: what all reserves together produce on each coordinate with controls (T, K)."""
    effect = np.broadcast_to(problem.reserves.effect, (len(problem), *problem.reserves.effect.shape[1:]))
    return np.asarray(np.einsum("tdk,tk->td", effect, control))


def _in_equilibrium(solution: RedundancySolution) -> bool:
    """Whether forces are those of fibres in static equilibrium with compliant tendons."""
    provenance = solution.provenance
    return provenance.get("method") == "static" and provenance.get("solver", {}).get("tendon") == "compliant"


def _produced(solution: RedundancySolution) -> Array:
    reserves = solution.problem.reserves
    peaks = np.zeros((len(reserves.names), reserves.effect.shape[1]))
    for column in range(len(peaks)):
        done = np.abs(reserves.effect[:, :, column] * solution.reserve_control[:, column, None])
        peaks[column] = np.nan_to_num(done).max(axis=0, initial=0.0)
    return peaks


def _peak(values: Array) -> Array:
    return np.asarray(values.max(axis=0)) if len(values) else np.full(values.shape[1], np.nan)


def _largest(values: Array) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmax(values))
