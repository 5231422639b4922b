"""Joint contact forces beside those that an instrumented implant measured.

usage: python scripts/benchmarks/implant.py [DATA]

DATA holds trials as `osimopt fetch knee_implant` brings them (default: that set in $OSIMOPT_DATA, or fetched).

The default configuration was written down before the measured forces were read, and nothing in it is chosen by them.
It is what the README recommends for data of this kind, and osimopt's defaults for all else:

- exact muscle paths, rigid tendons, no passive force, the model's own strengths;
- motion low-passed at 6 Hz, loads filtered like the motion (`lowpass_hz=6, lowpass_loads_hz="motion"`);
- loads of <trial>_loads.xml. They hold the reaction of the left foot only, so the left leg alone is balanced
  (`coordinates="left"`), without the residuals.xml beside the model; reserves are the default ones (1 N·m);
- sum of squared activations, static optimization, all frames of the motion.

The measured total is the axial force: medial and lateral force are the parts of the force along the tibia that the
compartments carry. It is compared with −fy of walker_knee_l on tibia_l in the axes of tibia_l (y along the shank, up),
at 101 points from the first to the last frame: RMSE, r, bias (calculated less measured), and both peaks (the largest
force in the first and the second half of stance).
"""

from typing import Any

#: How files are read; all else is osimopt's default.
READ: dict[str, Any] = {"lowpass_hz": 6.0, "lowpass_loads_hz": "motion", "coordinates": "left"}
#: How they are solved.
SOLVE: dict[str, Any] = {"cost": "activation_power", "exponent": 2.0}
#: What is compared: the joint, the body it acts on, its axes, the component, and the sign of compression.
JOINT, ON, FRAME, COMPONENT, SIGN = "walker_knee_l", "child", "child", "fy", -1.0
#: Points from the first to the last frame.
POINTS = 101
