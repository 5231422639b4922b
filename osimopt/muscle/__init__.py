"""Muscle classes of OpenSim and the forces of their muscles, as OpenSim 4.6 computes them, on arrays of frames."""
