"""The summary of a solution: numbers that add up over consecutive pieces of a motion."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..namespace import Tensor, alike, namespace
from ..problem.arrays import Array
from . import checks
from .checks import RESERVE_SHARE, Check, Evidence
from .findings import Finding, counted, merged, reaction_findings, synergy_findings
from .joint_peaks import JointPeaks
from .slack import Shorter, slack_of

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem
    from .solution import RedundancySolution
    from .status import Status

#: Summary's numbers of two pieces are added, or the larger one stays (NaN: not known).
ADDED = ("evidence", "counts", "force_sum", "at_top", "objective", "certified", "powerless", "shorter")
LARGEST = ("produced", "force", "activation", "residual", "activation_error")


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """Counts and peaks over frames.

    ``evidence`` is what the checks judge. ``first`` has, by status other than solved, time (s) of its first frame and
    what to do about it. ``produced`` (K, D) are the peaks of what each reserve does to each coordinate, ``force`` and
    ``activation`` (M,) of the muscles; ``at_top`` (M,) frames at the upper bound of activation,
    ``powerless`` (M,) those in which a muscle cannot produce force, or of fibres in equilibrium with compliant tendons
    (``slack``) those solved ones in which its tendon is slack; those in which it is ``shorter`` than its tendon are
    counted there only; ``warnings`` are those of reading the model and the motion, ``more`` the findings of the
    solution's own kind; ``joints`` are the largest forces through joints whose reactions are written.
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
    shorter: Shorter
    warnings: tuple[str, ...]
    more: tuple[Finding, ...] = ()
    joints: JointPeaks | None = None

    @classmethod
    def of(cls, solution: RedundancySolution) -> Summary:
        """Count a solution."""
        solution = solution.to("cpu")
        problem, solved = solution.problem, solution.solved
        failed = np.flatnonzero(~solved).tolist()
        first = {}
        for frame in reversed(failed):
            status = solution.status[frame]
            remedy = f"{solution.remedies.get(status, status.value)} {solution.detail.get(frame, '')}".strip()
            first[status] = (float(solution.time[frame]), remedy)
        gap, error = solution.gap, solution.activation_error
        slack, powerless = in_equilibrium(solution), problem.max_force <= 0.0
        if slack:  # a frame without equilibrium has no force either, but a status for it
            powerless &= (problem.passive_force <= 0.0) & solved[:, None]
        if (short := slack_of(problem)) is not None:  # a finding of its own
            powerless &= short == 0.0
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
            counts=_counts(solution.status),
            first=first,
            produced=_produced(solution),
            force=np.fmax.reduce(solution.muscle_force[solved], initial=np.nan),
            force_sum=solution.muscle_force[solved].sum(axis=0),
            activation=np.fmax.reduce(solution.activation[solved], initial=np.nan),
            at_top=np.sum(solution.activation > problem.upper - checks.AT_BOUND, axis=0),
            residual=float(np.abs(solution.moment_residual[solved]).max(initial=0.0)),
            objective=float(np.sum(solution.objective[solved])),
            certified=0 if gap is None else int(np.isfinite(gap[solved]).sum()),
            activation_error=float("nan") if error is None else float(np.fmax.reduce(error, initial=np.nan)),
            ambiguous=None if solution.unique is None else int(np.sum(~solution.unique & solved)),
            powerless=np.sum(powerless, axis=0),
            slack=slack,
            shorter=Shorter.of(problem),
            warnings=tuple(problem.provenance.get("warnings", ())),
            more=(
                *reaction_findings(problem),
                *synergy_findings(solution.synergies, hasattr(solution, "excitation")),
                *solution.more_findings(),
            ),
            joints=JointPeaks.of(solution),
        )

    def __add__(self, later: Summary) -> Summary:
        """Both together, this one first."""
        known = self.ambiguous is not None and later.ambiguous is not None
        return replace(
            self,
            first=later.first | self.first,
            ambiguous=(self.ambiguous or 0) + (later.ambiguous or 0) if known else None,
            warnings=tuple(dict.fromkeys(self.warnings + later.warnings)),
            more=merged(self.more + later.more),
            joints=self.joints and later.joints and self.joints | later.joints,
            **{name: getattr(self, name) + getattr(later, name) for name in ADDED},
            **{name: np.fmax(getattr(self, name), getattr(later, name)) for name in LARGEST},
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
                shares[name] = (coordinates[row], float(peaks[row] / max(self.evidence.moment.size[row], checks.LEAST)))
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

    def entries(self) -> list[Finding]:
        """Findings: failures first, then reserves, muscles, the input, and those of the solution's own kind."""
        frames, found = {"frames": self.frames}, []
        for status, (time, remedy) in sorted(self.first.items(), key=lambda item: item[0].rank):
            values = {**frames, "status": status.name.lower(), "time": time, "remedy": remedy}
            found.append(Finding("failed", self.counts[status], values=values))
        shares = self.evidence.reserve_share
        for row in np.flatnonzero(shares > RESERVE_SHARE).tolist():
            peaks = zip(self.names[2], self.produced[:, row].tolist(), strict=True)
            acting, coordinate = {name: peak for name, peak in peaks if peak > 0.0}, {"coordinate": self.names[1][row]}
            found.append(Finding("reserves", largest=float(shares[row]), names=acting, values=coordinate))
        if found and found[-1].code == "reserves" and self.joints is not None:
            found.append(Finding("reactions_by_reserves"))
        if self.ambiguous:
            found.append(Finding("not_unique", self.ambiguous))
        found += counted("at_upper_bound", self.names[0], self.at_top)
        if described := self.shorter.described(self.names[0], self.frames):
            values = {"described": described}
            found += counted("shorter_than_tendon", self.names[0], self.shorter.frames, values=values)
        found += counted("slack_tendons" if self.slack else "powerless", self.names[0], self.powerless)
        found += [Finding("note", values={"text": text}) for text in self.warnings]
        return found + [replace(own, values={**own.values, **frames}) for own in self.more]

    def findings(self) -> list[str]:
        """The text of each of ``entries``."""
        return [finding.text for finding in self.entries()]

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
            **({} if self.joints is None else {"peak_joint_force": self.joints.plain()}),
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


def carried(problem: RedundancyProblem, control: Array) -> Tensor:
    """(T, D) N·m, or N: what all reserves together produce on each coordinate with controls (T, K)."""
    xp, effect = namespace(control), alike(problem.reserves.effect, control)
    return xp.einsum("tdk,tk->td", xp.broadcast_to(effect, (len(problem), *effect.shape[1:])), control)


def in_equilibrium(solution: RedundancySolution) -> bool:
    """Whether forces are those of fibres in static equilibrium with compliant tendons."""
    provenance = solution.provenance
    return provenance.get("method") == "static" and provenance.get("solver", {}).get("tendon", "rigid") != "rigid"


def _counts(status: NDArray[np.object_]) -> Counter[Status]:
    """Frames by status, in the order of their first."""
    kinds = list({id(one): one for one in status.tolist()}.values())
    return Counter({kind: int(np.sum(status == kind)) for kind in kinds})


def _produced(solution: RedundancySolution) -> Array:
    reserves = solution.problem.reserves
    peaks = np.zeros((len(reserves.names), reserves.effect.shape[1]))
    most = np.fmax.reduce(np.abs(solution.reserve_control), axis=0, initial=0.0)
    for column in range(len(peaks)):
        if len(reserves.effect) == 1:
            peaks[column] = np.abs(reserves.effect[0, :, column]) * most[column]
            continue
        done = np.abs(reserves.effect[:, :, column] * solution.reserve_control[:, column, None])
        peaks[column] = np.nan_to_num(done).max(axis=0, initial=0.0)
    return peaks
