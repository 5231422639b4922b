"""DynamicOptions: how a motion is solved as one problem in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from ..muscle.tendons import Tendons
from ..options import option
from ..solution.checks import SENSIBLE
from ..static.options import (
    Contacts,
    contact_option,
    exponent_option,
    synergies_option,
    tendon_option,
    weights_option,
)


@dataclass(frozen=True, eq=False)
class DynamicOptions:
    """Options of :func:`osimopt.solve_dynamic`."""

    tendon: Tendons = tendon_option(
        "compliant",
        "'rigid': force is max_force · activation + passive_force, as the problem has them. 'compliant': De "
        "Groote muscles on elastic tendons, passive force included unless ignored; Thelen's and Millard's muscles are "
        "converted first (use_degroote_muscles), which the findings report, and tendons of muscles that "
        "ignore_tendon_compliance are rigid. Muscles with rigid tendons beside elastic ones are De Groote's too.",
    )
    transcription: str = option(
        "hermite-simpson",
        "trapezoidal, hermite-simpson or legendre-gauss-radau.",
        more="legendre-gauss-radau has 3 points an interval; legendre-gauss-radau-1 to -9 have others.",
        shell=str,
    )
    mesh_interval: float = option(
        0.02,
        "Longest interval of the mesh in s.",
        more="The interval of interest is divided evenly.",
        unit="s",
        above=0.0,
        shell=float,
    )
    cost: str = option(
        "excitation_power",
        "excitation_power, or a cost of static optimization.",
        more="excitation_power ∫ Σ w e^p dt, activation_power ∫ Σ w a^p dt, or any other cost of solve_static, "
        "integrated; with a compliant tendon F is the tendon force. Controls of reserves count as there.",
        shell=str,
    )
    exponent: float = exponent_option()
    weights: ArrayLike | Mapping[str, float] | Literal["volume"] | None = weights_option()
    initial_guess: Any = option(
        "static",
        "Initial guess: static or midpoint.",
        more="'static': static optimization with rigid tendons. 'midpoint': the middle of the bounds. Or activations, "
        "(M,) or at the points of the mesh (N, M), or an earlier solution that covers the interval.",
        shell=str,
        study=Literal["static", "midpoint"],
    )
    solver: Literal["auto", "ipopt"] = option(
        "auto", "auto or ipopt.", more="'auto' is 'ipopt', the only one.", shell=str
    )
    tolerance: float = option(
        1e-6,
        "Tolerance of the first-order conditions and of every equation, scaled.",
        above=0.0,
        below=0.01,
        shell=float,
    )
    muscles: Mapping[str, Any] | None = option(
        None, "Options of use_degroote_muscles, which is then applied with either tendon.", study=dict[str, Any] | None
    )
    time_constants: tuple[float, float] | None = option(
        None,
        "Activation and deactivation time constants in s.",
        more="In place of the muscles' own (0.015 and 0.060 where they have none).",
        unit="s",
        shell=tuple[float, float],
        metavar="ACT DEACT",
    )
    derivative_penalty: float | Literal["auto"] = option(
        "auto",
        "Weight of ∫ Σ (dF/dt)² dt, F being normalised tendon force; compliant tendons only. auto: follows from the "
        "cost.",
        more="'auto': with it the term is 2e-6 of the muscles' cost in the static solution, and less where it would be "
        "above 1 % of the objective; rates at the initial point cost too (term 'start') if initial_activation is "
        "'paid'. The provenance has weights and share. MocoInverse's weight is 0.01. With rigid tendons only 0 and "
        "'auto' are allowed.",
        least=0.0,
        shell=str,
    )
    initial_activation: Literal["paid", "equal", "free"] = option(
        "paid",
        "Activations at the start: paid (the cost treats them as held constant before), equal (to excitations, as "
        "MocoInverse) or free.",
        more="'paid': held constant for its deactivation time constant before the interval (term 'start', which has "
        "initial reserves, too); forces of a walk then agree with those of a longer "
        "interval to 1 to 3 N after 0.2 s. 'equal' constrains one instant only, and where moments determine "
        "excitations these oscillate from point to point. 'free': no condition.",
        shell=str,
    )
    periodic: bool | Mapping[str, str] = option(
        False,
        "States at the end equal those at the start.",
        more="A mapping of muscles to others, as left to right: each starts as the other ends; an empty one is "
        "refused. A warning names moments and lengths that differ between the ends.",
        shell=bool,
        study=bool | dict[str, str],
    )
    emg: Any = option(
        None,
        "EmgTracking: measured muscle activity that excitations follow.",
        more="In studies a table of mode, weight, width and scale, as EmgTracking.of takes them, for the trials' EMG.",
        study=dict[str, Any],
    )
    contact: Contacts = contact_option()
    metabolic: Any = option(
        None,
        "Metabolic rate in the objective: a probe (bhargava2004, umberger2010), or probe=weight.",
        more="An osimopt.MetabolicCost, which has further options, or such text. The term is weight · ∫ rate / body "
        "mass dt, in W/kg.",
        shell=str,
        study=str,
        metavar="PROBE[=WEIGHT]",
    )
    synergies: Any = synergies_option(
        "Excitations follow e = lower + W h", "h(t) ≥ 0 is found, and activations follow excitations."
    )
    window: float | None = option(
        1.6,
        "Length in s of the windows in which a motion of twice that and 100 intervals or more is solved.",
        more="None solves every motion as a whole. Each window begins as the one before ends, and looks ahead by a "
        "quarter of its length; a finding tells where forces seen ahead differ from those of the next window by more "
        "than 1 % of their peaks.",
        unit="s",
        above=0.0,
        shell=float,
    )
    mesh_tolerance: float | None = option(
        None,
        "Refine the mesh until integrating an interval misses activation and normalised force by no more.",
        more="None keeps the mesh. The error is estimated and reported either way.",
        least=SENSIBLE,
        shell=float,
    )
    max_refinements: int = option(5, "Maximum number of refinements.", least=0, shell=int)
    max_iterations: int = option(500, "Maximum number of iterations on each mesh.", least=1, shell=int)
