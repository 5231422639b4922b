"""What CasADi's interface to fatrop wants other than that to IPOPT, in casadi's process.

It has no options for derivatives, but looks for functions by name in the ``cache`` before it makes them: a gradient
without the objective, the whole Hessian of the Lagrangian and its gradient. It never calls an ``iteration_callback``;
the Hessian is evaluated once in an iteration, so that progress is told from there. Nothing can stop it: it goes on
when a function fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import casadi as ca
import numpy as np
from numpy.typing import NDArray

from ..stages import Stages

Array = NDArray[np.float64]

#: Its last barrier parameter is tolerance / (1 + barrier_tol_factor). With these settings an 80-muscle walk takes 23
#: iterations (Hermite-Simpson, rigid tendons). Starts are within the bounds before they come here (``scaling.within``).
SETTINGS: dict[str, Any] = {
    "mu_linear_decrease_factor": 0.1,
    "mu_superlinear_decrease_power": 1.2,
    "barrier_tol_factor": 100.0,
    "bound_push": 1e-12,
    "bound_frac": 1e-12,
    "print_level": 0,
}
#: The first barrier parameter, of starts far from the solution and near it.
FAR, NEAR = 1e-2, 1e-5
#: What its return flag means (``IpSolverReturnFlag`` of fatrop 1).
SAID = (
    "Success", "MaxIterExceeded", "StopAtTinyStep", "StopAtAcceptablePoint", "LocalInfeasibility", "FeasiblePointFound",
    "DivergingIterates", "ErrorInStepComputation", "InvalidOption", "InternalError",
)  # fmt: skip


def options(
    derivatives: dict[str, Any], stages: Stages, tolerance: float, iterations: int, near: bool, look: Look | None
) -> dict[str, Any]:
    """Options of ``nlpsol``; ``derivatives`` are those of IPOPT."""
    return {
        "cache": _functions(derivatives, look),
        "structure_detection": "manual",
        "N": len(stages.states) - 1,
        "nx": stages.states.tolist(),
        "nu": stages.controls.tolist(),
        "ng": stages.rows.tolist(),
        "fatrop": {
            **SETTINGS,
            "mu_init": NEAR if near else FAR,
            "tolerance": tolerance,
            "tol_acceptable": tolerance,
            "max_iter": iterations,
        },
    }


def _functions(derivatives: dict[str, Any], look: Look | None) -> dict[str, Any]:
    x, p, factor, multipliers = derivatives["hess_lag"].mx_in()
    gradient, (g, jacobian) = derivatives["grad_f"](x, p)[1], derivatives["jac_g"](x, p)
    seen = factor if look is None else factor + look(x)
    hessian = ca.triu2symm(derivatives["hess_lag"](x, p, seen, multipliers))
    of_lagrangian = factor * gradient + ca.mtimes(jacobian.T, multipliers)
    names = ["x", "p", "lam_f", "lam_g"]
    return {
        "nlp_grad_f": ca.Function("nlp_grad_f", [x, p], [gradient], names[:2], ["grad_f_x"]),
        "nlp_jac_g": ca.Function("nlp_jac_g", [x, p], [g, jacobian], names[:2], ["g", "jac_g_x"]),
        "nlp_hess_l": ca.Function(
            "nlp_hess_l", [x, p, factor, multipliers], [of_lagrangian, hessian], names,
            ["grad_gamma_x", "hess_gamma_x_x"],
        ),
    }  # fmt: skip


def said(stats: dict[str, Any]) -> str:
    """Why it ended."""
    flag = int(stats["fatrop"]["return_flag"])
    return SAID[flag] if 0 <= flag < len(SAID) else "Unknown"


def stationarity(derivatives: dict[str, Any], found: dict[str, Any]) -> float:
    """Largest entry of the Lagrangian's gradient, which the interface does not tell."""
    x = found["x"]
    gradient, jacobian = derivatives["grad_f"](x, [])[1], derivatives["jac_g"](x, [])[1]
    return float(ca.norm_inf(gradient + ca.mtimes(jacobian.T, found["lam_g"]) + found["lam_x"]))


class Look(ca.Callback):
    """Zero, as a function of x that tells ``write`` of objective and constraints when it is evaluated."""

    def __init__(self, nlp: Any, write: Callable[[float, Array], None]) -> None:
        ca.Callback.__init__(self)
        self._nlp, self._write = nlp, write
        self.construct("look", {})

    def get_sparsity_in(self, _: int) -> Any:
        """As those of the program's x."""
        return self._nlp.sparsity_in(0)

    def eval(self, arguments: Any) -> list[float]:
        """Tell."""
        f, g = self._nlp(arguments[0], [])
        self._write(float(f), np.array(g).ravel())
        return [0.0]
