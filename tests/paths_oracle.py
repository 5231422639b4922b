"""What OpenSim says of muscles whose paths a FunctionBasedPathSet replaces.

Usage: `python paths_oracle.py MODEL PATHS.xml FRAMES OUT.npz`.
"""

import sys
from typing import Any

import numpy as np
import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind


def items(group: Any) -> list[Any]:
    return [group.get(i) for i in range(group.getSize())]


def main(model_file: str, paths: str, frames: int, out: str) -> None:
    processor = osim.ModelProcessor(osim.Model(model_file))
    processor.append(osim.ModOpReplacePathsWithFunctionBasedPaths(paths))
    model = processor.process()
    state = model.initSystem()
    coordinates, muscles = items(model.getCoordinateSet()), items(model.getMuscles())
    paths_of = [osim.FunctionBasedPath.safeDownCast(muscle.getPath()) for muscle in muscles]
    assert all(path is not None for path in paths_of)
    rng = np.random.default_rng(3)
    value = rng.uniform(-0.6, 0.6, (frames, len(coordinates)))
    speed = rng.uniform(-2.0, 2.0, value.shape)
    length, lengthening = np.empty((2, frames, len(muscles)))
    arms = np.zeros((frames, len(coordinates), len(muscles)))
    for frame in range(frames):
        for coordinate, q, u in zip(coordinates, value[frame], speed[frame], strict=True):
            coordinate.setLocked(state, False)
            coordinate.setValue(state, q, False)
            coordinate.setSpeedValue(state, u)
        model.realizeVelocity(state)
        for column, path in enumerate(paths_of):
            length[frame, column] = path.getLength(state)
            lengthening[frame, column] = path.getLengtheningSpeed(state)
            for row, coordinate in enumerate(coordinates):
                arms[frame, row, column] = path.computeMomentArm(state, coordinate)
    names = [np.array([part.getName() for part in group]) for group in (coordinates, muscles)]
    np.savez(
        out, coordinates=names[0], muscles=names[1], value=value, speed=speed, length=length,
        lengthening_speed=lengthening, moment_arm=arms,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
