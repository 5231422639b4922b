"""StaticOptions: how a problem is solved frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from ..muscle.tendons import Tendons
from ..options import option
from ..problem.contact import Contact
from ..problem.costs import COSTS
from . import SOLVERS

#: What ``contact`` takes.
Contacts = Contact | Sequence[Contact] | Mapping[str, float] | str | None


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


def tendon_option(default: str, more: str) -> Any:
    """Tendons of the muscles, for any method."""
    return option(
        default,
        "rigid, or compliant: tendons stretch with the force; or by muscle, as 'soleus*=compliant,*=rigid'.",
        more=f"{more} A mapping from names or patterns of muscles to these words: the first that matches counts, as in "
        "{'soleus*': 'compliant', '*': 'rigid'}.",
        shell=str,
    )


def contact_option(more: str = "") -> Any:
    """Contact forces in the cost, for any method."""
    return option(
        None,
        "Contact forces of joints in the cost, with their weights, as walker_knee_l=0.1,walker_knee_r=0.1.",
        more="Adds w ‖c / body weight‖² for the force c that a joint transmits, whatever the exponent: a mapping from "
        "joints to weights w, or :class:`osimopt.Contact`, one or several, which can also weigh components of c and "
        "limit its components or direction. Of a problem with joint_reactions, or with its model at hand."
        + (f" {more}" if more else ""),
        study=str | dict[str, float] | None,
    )


def synergies_option(law: str, more: str = "") -> Any:
    """Muscle synergies with given vectors, for any method."""
    return option(
        None,
        "Muscle synergies (.csv): muscle, then a column of weights for each synergy.",
        more=f"{law}, with W (muscles, synergies) from :func:`osimopt.find_synergies`, an :class:`osimopt.Synergies`, "
        f"a DataFrame or a CSV file. {more} Muscles that it does not name are free. Reserves carry what the synergies "
        "cannot.",
        file=True,
        shell=Path,
        study=str,
    )


@dataclass(frozen=True, eq=False)
class StaticOptions:
    """Options of :func:`osimopt.solve_static`."""

    cost: str = option(
        "activation_power",
        f"Cost function: {', '.join(COSTS)}.",
        more=f"Sums over the muscles: {', '.join(f'{own.name} {own.formula}' for own in COSTS.values())}. F is active "
        "muscle force in N, pcsa in cm², Mmax the largest moment of the muscle in N·m. Each muscle's term is "
        "multiplied by its weight.",
        shell=str,
    )
    exponent: float = exponent_option()
    weights: ArrayLike | Mapping[str, float] | Literal["volume"] | None = weights_option()
    tendon: Tendons = tendon_option(
        "rigid",
        "'rigid': force is max_force · activation, plus passive_force where the problem has it. 'compliant': "
        "force of a fibre in equilibrium with its elastic tendon (rigid where the muscle ignores its compliance), "
        "passive force included, at the fibre speed of a rigid tendon; for activation_power and min_max. A De Groote "
        "tendon that its fibre would push, or that is longer than the unit, is slack and carries no force; frames "
        "where a muscle has no equilibrium fail.",
    )
    solver: str = option(
        "auto",
        f"auto, {', '.join(SOLVERS)}.",
        more="'newton' (any p > 1): all frames at once, on the dual problem. A frame that is not proved optimal is "
        "solved again by an interior-point method, at the limit of what can be met within the allowed moment error, "
        "and 'detail' reports it; a frame without proof is not solved. 'slsqp' (any p > 1): frame by frame. "
        "'lsq_linear': p = 2 where every coordinate has a separate unbounded reserve. 'highs': linear costs. "
        "'auto': highs for linear costs, slsqp where initial_guess is an array, newton for the rest; "
        "provenance['solver']['used'] is the solver that was used.",
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
    contact: Contacts = contact_option("With linear costs limits only.")
    synergies: Any = synergies_option("Activations follow a = lower + W h", "h ≥ 0 is found in every frame.")
