"""Findings: remarks on a solution by code and values, and the sentence of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import some
from ..problem.resampling import BALANCED
from . import checks
from .checks import RESERVE_SHARE, percent

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem
    from ..problem.reactions import JointReactions
    from ..problem.resampling import Fingerprint
    from ..problem.synergies import Synergies

#: Names that a sentence lists: muscles, actuators on one coordinate, muscles that forward integration departs from.
MUSCLES, ACTUATORS, WORST = 12, 4, 3
_DEPARTS = (
    "Forward integration of the excitations differs from {departs} of {muscles} muscles by more than {most}. The mesh "
    "is too coarse for them: refine it, as with mesh_tolerance={tolerance}, or shorten mesh_interval."
)
#: The sentence of each finding, by code.
TEXTS = {
    "failed": "{count} of {frames} frames {status}, the first at {time:g} s. {remedy}",
    "reserves": "{acting} {share} of the peak moment of {coordinate} (the limit is {limit}).",
    "not_unique": "In {count} frames the minimiser is not unique; the one of least norm is given.",
    "at_upper_bound": "At their upper bound (frames): {named}.",
    "shorter_than_tendon": "Shorter than their tendons at slack length, and so without any force: {named}. If they "
    "should be taut, check the scaling of their tendon_slack_length and optimal_fiber_length.",
    "slack_tendons": "With a slack tendon (frames): {named}; their fibres are too short or shorten too fast.",
    "powerless": "Without any force at full activation (frames): {named}; their fibres are too short or shorten too "
    "fast, or their tendons are slack.",
    "pushing": "Muscles push on their tendons (number of points): {named}, by up to {largest:.1%} of their strength. "
    "Their fibres are too short, too long or too fast to produce force there, and only their damping acts.",
    "penalised": "The derivative penalty is {share} of the objective, so forces depend on its weight. Leave "
    "derivative_penalty out, or give a smaller one.",
    "noisy": "The derivative penalty is {share} of the objective, so forces depend on its weight: with less, motions "
    "with moments this noisy have no solution. Filter the moments (lowpass_moments_hz=6).",
    "integration_failed": "Forward integration of the excitations failed, so activations and forces are not checked "
    "independently of the solver. Shorten mesh_interval.",
    "activations": _DEPARTS,
    "forces": _DEPARTS,
    "emg_scale": "Scale factors of EMG are at their limits: {named}. Excitations follow amplitudes that these set, "
    "not the data: widen scale=, or normalise the EMG.",
    "windows": "Where windows of the motion overlap, forces differ by more than 1 % of their peaks: {named}. The "
    "objective hardly depends on these; a longer window=, or window=None, tells how far they are determined.",
    "outside_training": "{count} of {frames} frames lie beyond what the surrogate was trained on; they are checked "
    "like all others, but may be far from optimal.",
    "reactions_without": "Joint reactions are without the force of muscles and actuators that are left out: {named}.",
    "reactions_of_the_motion": "Joint reactions are those of the motion, loads and muscle paths that were read, with "
    "forces that meet others: {why}.",
    "reactions_by_reserves": "Joint reactions are without the pressure of the muscles that these reserves replace.",
    "synergies": "{what} follow {number}{vaf}. Reserves carry what these cannot.",
    "note": "{text}",
}


@dataclass(frozen=True)
class Finding:
    """A remark on a solution, by code and values; ``text`` is its sentence.

    ``names`` are counts or sizes by muscle or actuator. Findings of one code from consecutive pieces of a motion are
    one finding: counts are added, sizes and ``largest`` are those of the larger, ``values`` those of the first.
    """

    code: str
    count: int = 0
    largest: float = 0.0
    names: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def __add__(self, later: Finding) -> Finding:
        """Both, of consecutive pieces."""
        names = dict(self.names)
        for name, value in later.names.items():
            known = names.get(name, 0)
            names[name] = known + value if isinstance(value, int) else max(known, value)
        count, largest = self.count + later.count, max(self.largest, later.largest)
        return Finding(self.code, count, largest, names, self.values)

    @property
    def text(self) -> str:
        """The sentence of ``TEXTS``."""
        departs = self._departs() if self.code in checks.INTEGRATION_LIMITS else {}
        described = self.values.get("described", [f"{name} ({count})" for name, count in self.names.items()])
        return TEXTS[self.code].format(
            count=self.count,
            largest=self.largest,
            share=percent(self.largest),
            limit=percent(RESERVE_SHARE),
            acting=some(self.names, ACTUATORS) + (" carries" if len(self.names) == 1 else " carry"),
            named=some(described, MUSCLES),
            **self.values,
            **departs,
        )

    def _departs(self) -> dict[str, str]:
        """Where forward integration departs by more than its limit for ``names``; ``largest`` is of all intervals."""
        forces = self.code == "forces"
        what, form = ("forces, as shares of their peaks,", ".1%") if forces else ("activations", ".2g")
        limit, worst = checks.INTEGRATION_LIMITS[self.code], sorted(self.names.items(), key=lambda pair: -pair[1])
        tolerance = max(checks.MARGIN * limit / worst[0][1] * self.largest, checks.SENSIBLE)
        named = some([f"{name} {error:{form}}" for name, error in worst], WORST)
        most = f"{limit:{form}}: {named}"
        return {"departs": f"the {what} of {len(worst)}", "most": most, "tolerance": f"{tolerance:.0e}"}


def counted(code: str, names: Iterable[str], counts: Iterable[int], **values: Any) -> list[Finding]:
    """One finding with the names whose counts are not zero, none where all are."""
    found = {name: int(count) for name, count in zip(names, counts, strict=True) if count}
    return [Finding(code, names=found, **values)] if found else []


def reaction_findings(problem: RedundancyProblem, joints: JointReactions | None = None) -> list[Finding]:
    """What makes reactions of joints doubtful, by default of those that the problem carries.

    That is what a part of the body leaves out, and moments or moment arms that were replaced since they were read.
    """
    known = problem.reactions if joints is None else joints
    if known is None:
        return []
    found, lost = [], known.left_out(problem)
    if lost:
        values = {"described": [f"{joint} ({some(names, MUSCLES)})" for joint, names in lost.items()]}
        names = {joint: len(own) for joint, own in lost.items()}
        found.append(Finding("reactions_without", names=names, values=values))
    read: Fingerprint | None = getattr(problem.source, "fingerprint", None)
    if read is not None and (why := read.changed(problem, BALANCED)):
        found.append(Finding("reactions_of_the_motion", values={"why": why}))
    return found


def synergy_findings(synergies: Synergies | None, dynamic: bool) -> list[Finding]:
    """That activations, or excitations of a ``dynamic`` solution, follow synergies, how many and of what fit."""
    if synergies is None:
        return []
    what = "Excitations" if dynamic else "Activations"
    fits = [f"{value:.1%} for {group}" for group, value in synergies.vaf.items()]
    vaf = f", which account for {', '.join(fits)} of the variance where they were found" if fits else ""
    return [Finding("synergies", values={"what": what, "number": synergies.text(), "vaf": vaf})]


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings of consecutive pieces, those of one code (of texts: one text) as one."""
    by_code: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.values.get("text", ""))
        by_code[key] = by_code[key] + finding if key in by_code else finding
    return tuple(by_code.values())
