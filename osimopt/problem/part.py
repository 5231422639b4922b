"""A part of a body: some coordinates and muscles of a problem, by name, pattern or side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..errors import InputError, explain, some
from ..options import check_word
from .arrays import Array, Index
from .names import Names, match_names
from .resampling import BALANCED, Fingerprint
from .reserves import RESIDUAL_FORCE, RESIDUAL_MOMENT, ReserveActuators

if TYPE_CHECKING:
    from .problem import RedundancyProblem, Source
    from .reactions import JointReactions

LeftOut = Literal["ignore", "residuals"]
#: Number of names listed in a sentence; the provenance lists all.
LISTED = 12


def part_of(
    problem: RedundancyProblem, coordinates: Names | None, muscles: Names | None, left_out: LeftOut
) -> RedundancyProblem:
    """See :meth:`osimopt.RedundancyProblem.part`."""
    check_word("left_out", left_out, get_args(LeftOut))
    rows, columns = _choose(problem, coordinates, muscles)
    if len(rows) == len(problem.coordinates) and len(columns) == len(problem.muscles):
        return problem
    others = np.setdiff1d(np.arange(len(problem.coordinates)), rows)
    acting = problem.reserves.acts[rows].any(axis=0)
    balanced = rows if left_out == "ignore" else np.arange(len(problem.coordinates))
    geometry = problem.geometry.select(balanced, columns)
    reserves = problem.reserves.pick(np.flatnonzero(acting)).select(balanced)
    if left_out == "residuals" and others.size:
        reserves += _residuals(problem, others)
        served = geometry.served.copy()
        served[others] = False  # checks do not count their actuators as reserves
        geometry = replace(geometry, spanned=served)
    known = _known(problem, rows, columns, acting, left_out)
    part = replace(
        problem,
        geometry=geometry,
        max_force=problem.max_force[:, columns],
        generalized_force=problem.generalized_force[:, balanced],
        lower=problem.lower[columns],
        upper=problem.upper[columns],
        pcsa=problem.pcsa[columns],
        weights=problem.weights[columns],
        reserves=reserves,
        passive_force=problem.passive_force[:, columns],
        parameters=problem.parameters and problem.parameters.select(columns),
        provenance={**problem.provenance, **known},
        source=None,
    )
    fingerprint: Fingerprint | None = getattr(problem.source, "fingerprint", None)
    if problem.source is None or (fingerprint is not None and fingerprint.changed(problem)):
        return part
    names = tuple(problem.coordinates[row] for row in rows), part.muscles
    return replace(part, source=PartSource(problem.source, *names, left_out, Fingerprint.of(part)))


def _choose(problem: RedundancyProblem, coordinates: Names | None, muscles: Names | None) -> tuple[Index, Index]:
    """Rows and columns to keep: those named, or those that cross what is named."""
    crosses, where = problem.geometry.crosses, problem.provenance.get("inputs", {}).get("model", {}).get("file")
    columns = np.arange(len(problem.muscles))
    if muscles is not None:
        columns = match_names("muscles", muscles, problem.muscles, where)
    rows = np.arange(len(problem.coordinates))
    if coordinates is not None:
        rows = match_names("coordinates", coordinates, problem.coordinates, where)
    elif muscles is not None:
        rows = np.flatnonzero(crosses[:, columns].any(axis=1))
    if coordinates is not None or muscles is not None:
        columns = columns[crosses[np.ix_(rows, columns)].any(axis=0)]
    if not columns.size:
        got = f"none about {some([problem.coordinates[row] for row in rows], LISTED)}"
        got = got if rows.size and coordinates is not None else f"none of {some(muscles or (), LISTED)}"
        fix = "Choose coordinates that muscles cross, and muscles that cross them."
        raise InputError(explain("muscles with a moment arm about the coordinates", got, fix, where))
    return rows, columns


def _residuals(problem: RedundancyProblem, rows: Index) -> ReserveActuators:
    """Unbounded actuators that hold left-out coordinates."""
    names = [problem.coordinates[row] for row in rows]
    forces = {name: RESIDUAL_FORCE if problem.unit(name) == "N" else RESIDUAL_MOMENT for name in names}
    origin = dict.fromkeys(names, "residual")
    return ReserveActuators.on_coordinates(forces, problem.coordinates, origin=origin)


def _known(problem: RedundancyProblem, rows: Index, columns: Index, acting: Any, left_out: LeftOut) -> dict[str, Any]:
    """Entries of the provenance: what is left out, and the warnings with a sentence about it."""
    crosses, held = problem.geometry.crosses, left_out == "residuals"
    others = np.setdiff1d(np.arange(len(crosses)), rows)
    free = list(dict.fromkeys([*problem.provenance.get("units", ()), *problem.coordinates]))
    unread = [name for name in free if name not in problem.coordinates]  # moments from a file may lack coordinates
    out = [problem.coordinates[row] for row in others] + unread
    silent = [name for index, name in enumerate(problem.muscles) if index not in columns]
    beyond = [problem.muscles[column] for column in columns if crosses[others, column].any()]
    bare = [problem.coordinates[row] for row in rows if crosses[row].any() and not crosses[row, columns].any()]
    actuators = zip(problem.reserves.names, problem.reserves.origin, acting, strict=True)
    dropped = [name for name, origin, acts in actuators if origin == "model" and not acts]
    text = f"{len(rows)} of {len(free)} coordinates are balanced, by {len(columns)} of {len(crosses.T)} muscles."
    if out:
        how = "Held by residual actuators" if held else "Left out of the balance"
        text += f" {how}: {some(out, LISTED)}."
    if silent:
        text += f" Muscles without force: {some(silent, LISTED)}."
    if beyond and not held:
        text += " Muscles that act on left-out coordinates too, where their moments are not balanced "
        text += f"({len(beyond)}): {some(beyond, LISTED)}."
    if bare:
        text += f" Coordinates whose muscles are left out, balanced by reserves: {some(bare, LISTED)}."
    earlier = problem.provenance.get("part", {})
    part = {
        "left_out": left_out,
        "coordinates": list(dict.fromkeys([*earlier.get("coordinates", ()), *out])),
        "muscles": [*earlier.get("muscles", ()), *silent],
        "actuators": [*earlier.get("actuators", ()), *dropped],
        "acting_beyond": beyond,
    }
    return {"part": part, "warnings": [*problem.provenance.get("warnings", ()), text]}


@dataclass(frozen=True, eq=False)
class PartSource:
    """Source of a part: the source of the whole, and the names that are kept."""

    source: Source
    coordinates: tuple[str, ...]
    muscles: tuple[str, ...]
    left_out: LeftOut
    fingerprint: Fingerprint

    def at(self, times: Array) -> RedundancyProblem:
        """The part at other times (s)."""
        part = self.source.at(times).part(self.coordinates, self.muscles, left_out=self.left_out)
        return replace(part, source=self)

    def reactions(self, problem: RedundancyProblem, joints: Sequence[str] | None = None) -> JointReactions:
        """What joints transmit, by the source of the whole."""
        compute = getattr(self.source, "reactions", None)
        if compute is None:
            fix = "Load it with joint_reactions='all', or the joints by name."
            raise InputError(explain("a problem with joint reactions", "a part of a problem without a model", fix))
        found: JointReactions = compute(problem, joints)
        return found

    def verify(self, solution: Any, missing: tuple[Any, ...] = ()) -> dict[str, Any]:
        """Check by the source of the whole, with the part's forces and the missing ones on left-out coordinates."""
        verify = getattr(self.source, "verify", None)
        if verify is None:
            return {"not_checked": "no model is available"}
        if not missing and (why := self.fingerprint.changed(solution.problem, BALANCED)):
            return {"not_checked": why}
        found: dict[str, Any] = verify(solution, (*missing, self.missing))
        return found

    def missing(self, time: Array, force: Mapping[str, Array], control: Mapping[str, Array]) -> Mapping[str, Array]:
        """Generalized forces (T,) on left-out coordinates at ``time`` (T,) s, less those of muscles and actuators.

        ``force`` are tensions (N) of muscles, ``control`` controls of actuators, (T,) each by name, 0 of all others.
        """
        if self.left_out == "residuals":
            return {}  # they are balanced
        whole = self.source.at(time)
        arms, effect = whole.moment_arm, whole.reserves.effect
        left = whole.generalized_force.copy()
        for muscle, name in enumerate(whole.muscles):
            left -= arms[:, :, muscle] * np.reshape(force.get(name, 0.0), (-1, 1))
        for actuator, name in enumerate(whole.reserves.names):
            left -= effect[:, :, actuator] * np.reshape(control.get(name, 0.0), (-1, 1))
        by_name = zip(whole.coordinates, left.T, strict=True)
        return {name: value for name, value in by_name if name not in self.coordinates}
