"""A program's functions as the solver gets them, evaluated in casadi's process: called by name, through isolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from osimopt.dynamic.program import Program

Array = np.ndarray

#: Step of central differences of the gradient: rounding (1e-16 / step) and curvature (step²) are both below 1e-9.
STEP = 1e-5


def evaluate(program: Program, x: Array, factor: float, multipliers: Array) -> dict[str, Array]:
    """Values and derivatives at x; ``differences`` is the Lagrangian's Hessian by differences of its gradient."""
    from osimopt.dynamic.worker.derivatives import Derivatives

    made = Derivatives(program)
    functions: dict[str, Any] = made.options()

    def lagrangian(at: Array) -> Array:
        gradient = np.array(functions["grad_f"](at, [])[1]).ravel()
        return factor * gradient + np.array(functions["jac_g"](at, [])[1]).T @ multipliers

    f, g = made.nlp()(x, [])
    f_again, gradient = functions["grad_f"](x, [])
    g_again, jacobian = functions["jac_g"](x, [])
    columns = [(lagrangian(x + step) - lagrangian(x - step)) / (2.0 * STEP) for step in STEP * np.eye(len(x))]
    return {
        "f": np.array([float(f), float(f_again)]),
        "g": np.stack([np.array(g).ravel(), np.array(g_again).ravel()]),
        "gradient": np.array(gradient).ravel(),
        "jacobian": np.array(jacobian.full()),
        "hessian": np.array(functions["hess_lag"](x, [], factor, multipliers).full()),
        "differences": np.stack(columns, axis=1),
    }
