"""Static optimization: :data:`SOLVERS` is the table of its solvers, :func:`osimopt.solve_static` calls them.

To add a solver, write a module with a function like :func:`osimopt.static.nonlinear.slsqp` and one line in the table.
The table is light: a solver's module is imported when the solver is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import Any


@dataclass(frozen=True)
class StaticSolver:
    """One static solver.

    Parameters
    ----------
    function
        ``"module.function"`` in this folder. It solves one frame, like :func:`osimopt.static.nonlinear.slsqp`; or all
        frames at once where ``batched``, like :func:`osimopt.static.frames.newton`.
    exponents
        Exponents of the costs that it minimises (1 and infinity are linear programs); None: every finite p > 1.
    batched
        Solves all frames at once, starts from multipliers and not from activations, and can compute on other devices.
    """

    function: str
    exponents: tuple[float, ...] | None = None
    batched: bool = False

    def minimises(self, exponent: float) -> bool:
        """Whether costs with this exponent can be minimised."""
        return 1.0 < exponent < inf if self.exponents is None else exponent in self.exponents

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        module, _, function = self.function.partition(".")
        return getattr(import_module(f".{module}", __name__), function)  # type: ignore[no-any-return]


#: By name. ``solver="auto"`` takes the first that minimises the cost and can start from the initial guess.
SOLVERS = {
    "newton": StaticSolver("frames.newton", batched=True),
    "slsqp": StaticSolver("nonlinear.slsqp"),
    "lsq_linear": StaticSolver("nonlinear.lsq_linear", (2.0,)),
    "highs": StaticSolver("linear.highs", (1.0, inf)),
}
