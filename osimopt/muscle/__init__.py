"""Muscle classes of OpenSim and the forces of their muscles, as OpenSim 4.6 computes them, on arrays of frames."""

from .activation import activation_rate as activation_rate
from .activation import excitation_for as excitation_for
from .conversion import degroote_parameters as degroote_parameters
from .conversion import use_degroote_muscles as use_degroote_muscles
from .degroote import not_degroote as not_degroote
from .forces import CLASSES as CLASSES
from .forces import COMPUTED as COMPUTED
from .forces import activation_slope as activation_slope
from .forces import equilibrium as equilibrium
from .forces import rigid_tendon_gain as rigid_tendon_gain
from .forces import rigid_tendon_passive as rigid_tendon_passive
from .forces import supported as supported
from .forces import unlimited_fiber as unlimited_fiber
