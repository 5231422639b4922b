"""StaticOptions: how a problem is solved frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..options import option
from ..problem.costs import COSTS


def exponent_option() -> Any:
    """The exponent of a cost, for any method."""
    text = "Exponent p ≥ 1 of activation_power or excitation_power."
    return option(2.0, text, least=1.0, shell=float, flags=("--exponent", "-p"))


def weights_option() -> Any:
    """Weights of the muscles in a cost, for any method."""
    return option(
        None,
        "Weights of the muscles; volume: by their volume.",
        more="(M,) positive weights in place of the problem's, or those of some muscles by name. 'volume': "
        "max_isometric_force · optimal_fiber_length over their mean.",
        shell=str,
        study=Literal["volume"] | dict[str, float] | None,
    )


@dataclass(frozen=True, eq=False)
class StaticOptions:
    """Options of :func:`osimopt.solve_static`."""

    cost: str = option(
        "activation_power",
        f"Cost function: {', '.join(COSTS)}.",
        more="activation_power Σ w a^p, sum_force Σ w F, sum_force_squared Σ w F², sum_stress_squared Σ w (F/pcsa)², "
        "sum_moment_ratio_cubed Σ w (F/Mmax)³, min_max max w a; F is active muscle force.",
        shell=str,
    )
    exponent: float = exponent_option()
    weights: Any = weights_option()
    tendon: Literal["rigid", "compliant"] = option(
        "rigid",
        "rigid, or compliant: tendons stretch with the force.",
        more="'rigid': force is max_force · activation, plus passive_force where the problem has it. 'compliant': "
        "force of a fibre in equilibrium with its elastic tendon, passive force included, at the fibre speed of a "
        "rigid tendon; for activation_power and min_max. A De Groote tendon that its fibre would push is slack and "
        "carries nothing; frames where a muscle has no equilibrium fail.",
        shell=str,
    )
    solver: str = option(
        "auto",
        "auto, newton, slsqp, lsq_linear or highs.",
        more="'newton' (any p > 1) solves all frames at once on the dual problem; a frame whose answer is not proved "
        "optimal goes to an interior-point method, and 'detail' reports it; without proof it is not solved. 'slsqp' "
        "(any p > 1) solves frame by frame; 'lsq_linear' needs p = 2 and an unbounded reserve on every coordinate; "
        "'highs' solves linear costs. 'auto' takes highs for linear costs, slsqp where activations are given as "
        "initial_guess, and newton otherwise; provenance['solver']['used'] names it.",
        shell=str,
    )
    device: str = option(
        "cpu",
        "Where newton computes: cpu, or by torch: torch (on the CPU), cuda, cuda:0, ….",
        more="In double precision everywhere.",
        shell=str,
    )
    tolerance: float = option(
        1e-9,
        "Tolerance of the moments.",
        more="A frame whose moments are missed by more than tolerance · max(1 N·m, largest moment) is not solved.",
        above=0.0,
        shell=float,
    )
