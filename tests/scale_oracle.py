"""Models scaled by OpenSim's `Model.scale`, masses preserved.

Usage: `python scale_oracle.py OUT_FOLDER even|uneven (NAME | MODEL.osim)...`, names those of `model_zoo`. Each leaves
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
            model_zoo.write(name, folder)
            path = folder / f"{name}.osim"
        try:
            scale(path, folder, sys.argv[2] == "even")
        except RuntimeError as error:
            print(name, str(error).splitlines()[0], file=sys.stderr)


main()
