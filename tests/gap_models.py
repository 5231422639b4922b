"""Models with parts that osimopt does not describe in arrays: ``python gap_models.py FOLDER`` writes them.

A chain of four joints, the second one shifting by a curve of OpenSim's muscles: ``gap`` without couplers, in
``gap_coupled`` such a curve couples the fourth to the third. A muscle crosses each joint, and one all of them.
"""

from __future__ import annotations

import sys

import model_zoo

NAMES = ("Sine", "ActiveForceLengthCurve", "LinearFunction", "PolynomialFunction")
CURVE = "ActiveForceLengthCurve"


def chain(coupled: bool) -> model_zoo.Zoo:
    zoo = model_zoo.functions("shift", NAMES)
    zoo.muscle("across", ("ground", (0.05, 0.1, 0.02)), ("body_3", (0.04, -0.1, 0.03)))
    if coupled:
        zoo.motion["q_LinearFunction"] = (model_zoo.MIDDLE[CURVE], 0.15)
        curve = model_zoo.FUNCTIONS[CURVE][0]
        model_zoo.couple(zoo, "q_PolynomialFunction", ["q_LinearFunction"], curve(), 2.0)
    return zoo


if __name__ == "__main__":
    for name, coupled in (("gap", False), ("gap_coupled", True)):
        model_zoo.CASES[name] = lambda coupled=coupled: chain(coupled)
        model_zoo.write(name, sys.argv[1])
