"""The answer of dynamic optimization, or the seal on what is none."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, SolverError, explain
from ..solution.checks import PUSH
from ..solution.solution import RedundancySolution
from ..solution.summary import Finding, counted

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from .check import ForwardCheck

Array = NDArray[np.float64]
QUANTITIES = ("activation", "excitation", "muscle_force", "reserve_force", "fiber_length", "fiber_velocity")


@dataclass(frozen=True, eq=False, repr=False)
class DynamicSolution(RedundancySolution):
    """Excitations, activations and forces over an interval, at the N points of the mesh.

    Everything a :class:`RedundancySolution` knows of single frames holds for the points: ``problem`` is the problem
    there, with max_force = tendon force per unit of activation at the fibre length and velocity found, and
    passive_force the rest of it, so that ``muscle_force`` and ``moment_residual`` are recomputed from the muscles'
    equations and not from the solver's unknowns. ``objective`` (N,) is the integrand, ``objective_terms`` its terms.

    Attributes
    ----------
    excitation
        (N, M).
    tendon_force_rate
        (N, M) rate of the normalised tendon force in 1/s; None with rigid tendons.
    fiber_length, fiber_velocity
        (N, M) in optimal fibre lengths, and in maximum contraction velocities, positive lengthening; None where the
        problem has no model behind it.
    integrals
        The objective by term: ∫ dt of each of ``objective_terms``, with the weights that the terms have in the sum.
    emg_scale
        Scale factor by EMG channel.
    mesh_edges
        (n + 1,) s.
    check
        What forward integration of the excitations gives (:class:`osimopt.dynamic.check.ForwardCheck`).
    """

    excitation: Array = field(default_factory=lambda: np.zeros((0, 0)))
    tendon_force_rate: Array | None = None
    fiber_length: Array | None = None
    fiber_velocity: Array | None = None
    integrals: dict[str, float] = field(default_factory=dict)
    emg_scale: dict[str, float] = field(default_factory=dict)
    mesh_edges: Array = field(default_factory=lambda: np.zeros(0))
    check: ForwardCheck | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """As of any solution, with excitation and, where the problem came from a model, the fibres."""
        return tuple(name for name in QUANTITIES if getattr(self, name) is not None)

    @property
    def total_objective(self) -> float:
        """Sum of the ``integrals``."""
        return float(sum(self.integrals.values()))

    def more_findings(self) -> list[Finding]:
        """Muscles that push, a mesh that is too coarse, and what forward integration found."""
        unmet = self.provenance.get("mesh", {}).get("unmet")
        found = self._pushing() + ([] if unmet is None else [Finding("note", values={"text": unmet})])
        return found if self.check is None else found + self.check.entries()

    def _pushing(self) -> list[Finding]:
        parameters = self.problem.parameters
        if self.tendon_force_rate is None or parameters is None:
            return []
        share = -self.muscle_force / parameters.max_isometric_force
        largest = float(np.nanmax(share, initial=0.0))
        return counted("pushing", self.problem.muscles, (share > PUSH).sum(axis=0), largest=largest)

    def to_dataframe(self, quantity: str = "activation") -> pd.DataFrame:
        """One of activation, excitation (1), muscle_force (N), reserve_force (N·m, N), fiber_length, fiber_velocity."""
        import pandas as pd

        if quantity not in QUANTITIES:
            raise InputError(explain(f"a quantity among {', '.join(QUANTITIES)}", repr(quantity), "Choose one."))
        if quantity in ("activation", "muscle_force", "reserve_force"):
            known: Literal["activation", "muscle_force", "reserve_force"] = quantity  # type: ignore[assignment]
            return super().to_dataframe(known)
        values = getattr(self, quantity)
        if values is None:
            fix = "Use osimopt.load_problem."
            raise InputError(explain(f"a problem from a model for {quantity}", "one from arrays", fix))
        index = pd.Index(self.time, name="time")
        return pd.DataFrame(values, index=index, columns=list(self.problem.muscles))


class SealedSolution:
    """A solve that failed or was stopped. Reading it raises an error; ``unseal()`` returns the last iterate.

    ``success`` is False, ``reason`` says what happened and what to do, ``iterations`` how far it came.
    """

    success = False

    def __init__(self, solution: DynamicSolution, reason: str) -> None:
        self._solution = solution
        self.reason = reason
        self.iterations = int(solution.iterations.max(initial=0))

    def __repr__(self) -> str:
        """Return the reason."""
        return f"<SealedSolution: {self.reason}>"

    def findings(self) -> list[str]:
        """What happened."""
        return [self.reason]

    def unseal(self) -> DynamicSolution:
        """The last iterate. It is no answer: moments, dynamics or optimality do not hold."""
        return self._solution

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse everything else."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise SolverError(f"{name} of a sealed solution: {self.reason} unseal() gives the last iterate all the same.")

    def write(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Refuse."""
        raise SolverError(f"Not written to {folder}: {self.reason}")
