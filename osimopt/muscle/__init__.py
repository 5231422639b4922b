"""Forces of muscles from their lengths, as OpenSim 4.6 computes them, on arrays of frames and muscles."""

from .equilibrium import activation_slope, equilibrium
from .mechanics import supported
from .rigid import rigid_tendon_gain, rigid_tendon_passive

__all__ = ["activation_slope", "equilibrium", "rigid_tendon_gain", "rigid_tendon_passive", "supported"]
