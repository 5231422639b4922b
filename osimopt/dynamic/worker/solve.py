"""Solve a program with IPOPT, in casadi's process."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import casadi as ca
import numpy as np

from ..answer import Answer
from ..program import Program
from .derivatives import Derivatives

#: IPOPT's settings. Objective and constraints are scaled by ``assemble``. The barrier is lowered by ten as soon as its
#: problem is roughly solved: 21 iterations for an 80-muscle walk (Hermite-Simpson, rigid tendons) in place of 37 with
#: IPOPT's defaults, which solve each barrier problem a hundred times better. Bounds stay where they are: moved by 1e-8,
#: as by default, a^2.5 is no number there, and muscles at their bounds miss moments by more than a fine tolerance.
IPOPT: dict[str, Any] = {
    "linear_solver": "mumps",
    "nlp_scaling_method": "none",
    "mumps_permuting_scaling": 0,
    "mumps_scaling": 0,
    "bound_relax_factor": 0.0,
    "mu_linear_decrease_factor": 0.1,
    "mu_superlinear_decrease_power": 1.2,
    "barrier_tol_factor": 1000.0,
    "print_level": 0,
    "sb": "yes",
}
#: For starts that may be anywhere, and for those near the solution, which are moved away from their bounds by no more
#: than they are off. Mehrotra's predictor-corrector needs half the iterations there: 7 in place of 14 from the solution
#: itself, 11 in place of 23 from one whose forces are off by 1.4 % (80-muscle walk, elastic tendons).
FAR: dict[str, Any] = {"mu_init": 1e-2}
NEAR: dict[str, Any] = {
    "mu_strategy": "adaptive",
    "corrector_type": "affine",
    "skip_corr_if_neg_curv": "no",
    "bound_mult_init_method": "mu-based",
    "mu_init": 1e-3,
}


def warm_up() -> None:
    """Load casadi and IPOPT, so that they are there for the call that follows."""
    x = ca.MX.sym("x")
    ca.nlpsol(
        "warm_up", "ipopt", {"x": x, "f": x**2}, {"ipopt": {"print_level": 0, "sb": "yes"}, "print_time": False}
    )()


def solve(program: Program, tolerance: float, iterations: int, off: float | None, watched: Path | None) -> Answer:
    """Find a local minimum of a program.

    ``off`` is by which share of its bounds the program's start may be off its solution, None where nobody knows.
    ``watched`` is a folder, in which ``progress`` gets a line per iteration and a file ``stop`` asks for an end.
    """
    begun = perf_counter()
    built_of = Derivatives(program)
    options = {**built_of.options(), "ipopt": _settings(tolerance, iterations, off), "print_time": False}
    if watched is not None:
        options["iteration_callback"] = _Watch(program, watched)
    run = ca.nlpsol("program", "ipopt", built_of.nlp(), options)
    built = perf_counter()
    found = run(x0=program.start, lbx=program.least, ubx=program.most, lbg=program.lower, ubg=program.upper)
    stats = run.stats()
    x = np.clip(np.array(found["x"]).ravel(), program.least, program.most)  # IPOPT moves tight bounds by up to 2e-12
    return Answer(
        x=x,
        solved=bool(stats["success"]),
        said=str(stats["return_status"]),
        iterations=int(stats["iter_count"]),
        objective=float(found["f"]),
        violation=_violation(program, found["g"]),
        stationarity=_last(stats, "inf_du"),
        build_seconds=built - begun,
        solve_seconds=perf_counter() - built,
    )


def _settings(tolerance: float, iterations: int, off: float | None) -> dict[str, Any]:
    ends = {"tol": tolerance, "acceptable_iter": 0, "mu_target": 0.1 * tolerance, "max_iter": iterations}
    start = FAR if off is None else {**NEAR, "bound_push": off, "bound_frac": off}
    return {**IPOPT, **ends, **start}


def _violation(program: Program, rows: Any) -> float:
    g = np.array(rows).ravel()
    return float(np.maximum(program.lower - g, g - program.upper).max(initial=0.0))


def _last(stats: dict[str, Any], name: str) -> float:
    values = stats.get("iterations", {}).get(name, [])
    return float(values[-1]) if values else float("nan")


class _Watch(ca.Callback):
    """Called by IPOPT in every iteration: writes a line to the folder, and stops IPOPT if a file there asks for it."""

    def __init__(self, program: Program, folder: Path) -> None:
        ca.Callback.__init__(self)
        self._program, self._folder, self._count = program, folder, 0
        self.construct("watch", {})

    def get_n_in(self) -> int:
        """Take all outputs of a solver."""
        return int(ca.nlpsol_n_out())

    def get_n_out(self) -> int:
        """Return whether to stop."""
        return 1

    def get_name_in(self, index: int) -> str:
        """Name the solver's output."""
        return str(ca.nlpsol_out(index))

    def get_name_out(self, index: int) -> str:
        """Name what is returned."""
        return "stop"

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
        return [int((self._folder / "stop").exists())]
