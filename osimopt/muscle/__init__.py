"""Forces of muscles from their lengths, as OpenSim 4.6 computes them, on arrays of frames and muscles."""

from .activation import activation_rate, excitation_for
from .conversion import degroote_parameters, use_degroote_muscles
from .equilibrium import activation_slope, equilibrium
from .mechanics import supported
from .rigid import rigid_tendon_gain, rigid_tendon_passive

__all__ = [
    "activation_rate",
    "activation_slope",
    "degroote_parameters",
    "equilibrium",
    "excitation_for",
    "rigid_tendon_gain",
    "rigid_tendon_passive",
    "supported",
    "use_degroote_muscles",
]
