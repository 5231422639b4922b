"""Models scaled by OpenSim's `Model.scale`, masses preserved.

Usage: `python scale_oracle.py OUT_FOLDER even|uneven (NAME | MODEL.osim)...`, names those of `model_zoo` and
`coupled_shift`. Each leaves
`NAME.osim`, `NAME_scaled.osim` and the factors of its bodies, `NAME.npz`.
"""

import sys
from pathlib import Path
from typing import Any

import model_zoo
import numpy as np
import opensim as osim


def scale(path: Path, folder: Path, even: bool) -> None:
    model = osim.Model(str(path))
    state = model.initSystem()
    random = np.random.default_rng(11)
    names, rows, factors = [], [], osim.ScaleSet()
    for name in ("ground", *(body.getName() for body in model.getBodyList())):
        row = np.full(3, 1.13) if even else random.uniform(0.8, 1.25, 3)
        names.append(name)
        rows.append(row)
        factors.cloneAndAppend(entry(name, row))
    model.scale(state, factors, True, -1.0)
    model.printToXML(str(folder / f"{path.stem}_scaled.osim"))
    np.savez(folder / f"{path.stem}.npz", bodies=names, factors=rows)


def coupled_shift(folder: Path) -> None:
    """A slider that follows a pin."""
    zoo = model_zoo.Zoo()
    zoo.pin("knee", "ground", "thigh", 0.2, 0.3, (0.0, 0.8, 0.0))
    zoo.body("shank", 1.0)
    ends = (osim.Vec3(0.02, -0.4, 0.0), osim.Vec3(0.1, 0.0, 0.0), osim.Vec3(0.0, 0.1, 0.0), osim.Vec3(0.0))
    slider = osim.SliderJoint("slider", zoo.frame("thigh"), *ends[:2], zoo.frame("shank"), *ends[2:])
    zoo.joint(slider, {"t_slide": (0.0, 0.05)})
    coupler = osim.CoordinateCouplerConstraint()
    coupler.setName("follows")
    coupler.setIndependentCoordinateNames(model_zoo.strings("knee"))
    coupler.setDependentCoordinateName("t_slide")
    coupler.setFunction(osim.LinearFunction(0.1, 0.02))
    zoo.model.addConstraint(coupler)
    zoo.muscle("front", ("thigh", (0.05, -0.1, 0.0)), ("shank", (0.05, -0.2, 0.01)))
    zoo.finish("coupled_shift").printToXML(str(folder / "coupled_shift.osim"))


def entry(name: str, row: Any) -> Any:
    made = osim.Scale()
    made.setSegmentName(name)
    made.setScaleFactors(model_zoo.vec(row))
    made.setApply(True)
    return made


def main() -> None:
    folder = Path(sys.argv[1])
    for name in sys.argv[3:]:
        path = Path(name)
        if path.suffix != ".osim":
            coupled_shift(folder) if name == "coupled_shift" else model_zoo.write(name, str(folder))
            path = folder / f"{name}.osim"
        try:
            scale(path, folder, sys.argv[2] == "even")
        except RuntimeError as error:
            print(name, str(error).splitlines()[0], file=sys.stderr)


main()
