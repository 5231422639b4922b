"""Models with parts that osimopt does not describe in arrays: ``python gap_models.py FOLDER`` writes them.

A chain of four joints, the second one shifting by a curve of OpenSim's muscles: ``gap`` without couplers, in
``gap_coupled`` such a curve couples the fourth to the third, in ``gap_driven`` one of time moves it. A muscle crosses
each joint, and one all of them. The muscle of ``function_path`` has a length of 0.3 m + 0.02 times the angle of the
knee.
"""

from __future__ import annotations

import sys

import mechanics_oracle
import model_zoo

NAMES = ("Sine", "ActiveForceLengthCurve", "LinearFunction", "PolynomialFunction")
CURVE = "ActiveForceLengthCurve"


def chain(coupled: bool = False) -> model_zoo.Zoo:
    zoo = model_zoo.functions("shift", NAMES)
    zoo.muscle("across", ("ground", (0.05, 0.1, 0.02)), ("body_3", (0.04, -0.1, 0.03)))
    if coupled:
        zoo.motion["q_LinearFunction"] = (model_zoo.MIDDLE[CURVE], 0.15)
        curve = model_zoo.FUNCTIONS[CURVE][0]
        model_zoo.couple(zoo, "q_PolynomialFunction", ["q_LinearFunction"], curve(), 2.0)
    return zoo


def driven() -> model_zoo.Zoo:
    """The fourth joint follows such a curve of time."""
    zoo = chain()
    coordinate = zoo.model.getCoordinateSet().get("q_PolynomialFunction")
    coordinate.setPrescribedFunction(model_zoo.FUNCTIONS[CURVE][0]())
    coordinate.set_prescribed(True)
    del zoo.motion["q_PolynomialFunction"]
    return zoo


def idle() -> model_zoo.Zoo:
    """The only muscle moves nothing."""
    zoo = model_zoo.Zoo()
    zoo.body("trunk", 4.0)
    model_zoo.add_joint(zoo, "pin", "trunk")
    zoo.muscle("idle", ("trunk", (0.06, -0.1, 0.0)), ("trunk", (0.05, -0.2, 0.01)))
    zoo.actuate(list(zoo.motion))
    return zoo


def all_locked() -> model_zoo.Zoo:
    zoo = idle()
    zoo.model.getCoordinateSet().get("r1").set_locked(True)
    return zoo


if __name__ == "__main__":
    models = {
        "gap": chain,
        "gap_coupled": lambda: chain(True),
        "gap_driven": driven,
        "idle": idle,
        "all_locked": all_locked,
    }
    models["function_path"] = mechanics_oracle.own_length
    for name, model in models.items():
        model_zoo.CASES[name] = model
        model_zoo.write(name, sys.argv[1])
