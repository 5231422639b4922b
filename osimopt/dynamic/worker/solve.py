"""Solve a program with IPOPT, in casadi's process."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import casadi as ca
import numpy as np

from ..assemble import assemble
from ..nodes import IndependentPart, Nodes, Unknowns
from ..objective import Conditions
from ..program import STOP, Program, ProgramResult
from .derivatives import Derivatives

#: IPOPT's settings. ``assemble`` scales objective and constraints. The barrier is lowered by ten as soon as its problem
#: is roughly solved: 21 iterations for an 80-muscle walk (Hermite-Simpson, rigid tendons) in place of 37 with IPOPT's
#: defaults, which solve each barrier problem five times more accurately. Twenty times less accurately saves one of 20,
#: but where moments are noisy iterates then stay near their bounds: 130 iterations in place of 80. Bounds are not
#: relaxed: with IPOPT's default of 1e-8, a^2.5 is NaN at the bound, and muscles at their bounds miss moments by more
#: than a fine tolerance. Order 2 is MUMPS' approximate minimum fill: 1.80 s of CPU in place of 2.27 s for half of an
#: 80-muscle walk on elastic tendons, with the same iterations; no difference with rigid tendons.
IPOPT: dict[str, Any] = {
    "linear_solver": "mumps",
    "nlp_scaling_method": "none",
    "mumps_permuting_scaling": 0,
    "mumps_scaling": 0,
    "mumps_pivot_order": 2,
    "bound_relax_factor": 0.0,
    "mu_linear_decrease_factor": 0.1,
    "mu_superlinear_decrease_power": 1.2,
    "barrier_tol_factor": 50.0,
    "print_level": 0,
    "sb": "yes",
}
#: For starting points at an unknown distance from the solution, and for near ones, which are moved away from their
#: bounds by no more than that distance. Mehrotra's predictor-corrector needs half the iterations there: 7 in place of
#: 14 from the solution itself, 11 in place of 23 from forces with errors of 1.4 % (80-muscle walk, elastic tendons).
FAR: dict[str, Any] = {"mu_init": 1e-2}
NEAR: dict[str, Any] = {
    "mu_strategy": "adaptive",
    "corrector_type": "affine",
    "skip_corr_if_neg_curv": "no",
    "bound_mult_init_method": "mu-based",
    "mu_init": 1e-3,
}


def warm_up() -> None:
    """Load casadi and IPOPT for the calls that follow."""
    x = ca.MX.sym("x")
    program: dict[str, Any] = {"x": x, "f": x**2}
    ca.nlpsol("warm_up", "ipopt", program, {"ipopt": {"print_level": 0, "sb": "yes"}, "print_time": False})()


def solve_part(
    nodes: Nodes, conditions: Conditions, part: IndependentPart, guess: Unknowns, *how: Any
) -> ProgramResult:
    """Assemble and solve a part of a problem; ``how`` are further arguments of ``solve``."""
    return solve(assemble(nodes, conditions, part, guess)[1], *how)


def solve(program: Program, tolerance: float, iterations: int, distance: float | None, folder: Path) -> ProgramResult:
    """Find a local minimum of a program.

    ``distance`` of the program's start from the solution is a share of the bounds, None if unknown. In ``folder`` the
    file ``progress`` gets a line per iteration, and a file ``stop`` requests a stop.
    """
    begun = perf_counter()
    if (folder / STOP).exists():  # requested while this part waited for its turn
        return ProgramResult(program.start, False, "Not begun", 0, 0.0, 0.0, 0.0, 0.0)
    if np.sum(program.lower == program.upper) > np.sum(program.least < program.most):  # IPOPT crashes
        return ProgramResult(program.start, False, "More equations than unknowns", 0, 0.0, 0.0, 0.0, 0.0)
    derivatives = Derivatives(program)
    start = FAR if distance is None else {**NEAR, "bound_push": distance, "bound_frac": distance}
    limits = {"tol": tolerance, "acceptable_iter": 0, "mu_target": 0.1 * tolerance, "max_iter": iterations}
    watch = _IterationCallback(program, folder)
    options = {"ipopt": IPOPT | limits | start, "print_time": False, "iteration_callback": watch}
    run = ca.nlpsol("program", "ipopt", derivatives.nlp(), derivatives.options() | options)
    built = perf_counter()
    found = run(x0=program.start, lbx=program.least, ubx=program.most, lbg=program.lower, ubg=program.upper)
    stats = run.stats()
    x = np.clip(np.array(found["x"]).ravel(), program.least, program.most)  # IPOPT moves tight bounds by up to 2e-12
    stationarity = stats.get("iterations", {}).get("inf_du", [])
    return ProgramResult(
        x=x,
        solved=bool(stats["success"]),
        message=str(stats["return_status"]),
        iterations=int(stats["iter_count"]),
        violation=_violation(program, found["g"]),
        stationarity=float(stationarity[-1]) if stationarity else float("nan"),
        build_seconds=built - begun,
        solve_seconds=perf_counter() - built,
    )


def _violation(program: Program, rows: Any) -> float:
    g = np.array(rows).ravel()
    return float(np.maximum(program.lower - g, g - program.upper).max(initial=0.0))


class _IterationCallback(ca.Callback):
    """Called by IPOPT in every iteration: writes a line to the folder, and stops IPOPT if a file there requests it."""

    def __init__(self, program: Program, folder: Path) -> None:
        ca.Callback.__init__(self)
        self._program, self._folder, self._count = program, folder, 0
        self.construct("watch", {})

    def get_n_in(self) -> int:
        """Take all outputs of a solver."""
        return int(ca.nlpsol_n_out())

    def get_sparsity_in(self, index: int) -> Any:
        """Give the size of an input; multipliers of parameters there are none."""
        unknowns, rows = len(self._program.start), len(self._program.lower)
        size = {"f": 1, "x": unknowns, "lam_x": unknowns, "g": rows, "lam_g": rows}.get(ca.nlpsol_out(index), 0)
        return ca.Sparsity.dense(size, 1) if size else ca.Sparsity(0, 0)

    def eval(self, arguments: Any) -> list[int]:
        """Write a line: iteration, objective, largest violation of a constraint."""
        known = dict(zip(ca.nlpsol_out(), arguments, strict=True))
        violation = _violation(self._program, known["g"])
        with (self._folder / "progress").open("a", encoding="utf-8") as file:
            file.write(f"{self._count} {float(known['f']):.12g} {violation:.6g}\n")
        self._count += 1
        return [int((self._folder / STOP).exists())]
