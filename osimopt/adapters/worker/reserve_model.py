"""A model with joints welded, and residual and reserve actuators added, as OpenSim's own operators do it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import opensim

from ...errors import ModelError, explain
from .defaults import reading


def write_reserve_model(
    source: str, target: str, weld: Sequence[str], residuals: tuple[float, float], reserve: float
) -> None:
    """Weld joints in the default pose, put ``residuals`` (N·m, N) on the free base and a reserve (N·m) elsewhere."""
    opensim.Logger.setLevelString("error")
    if not Path(source).is_file():
        raise ModelError(explain("a model (.osim)", "no such file", "Check the path.", source))
    with reading(source):
        processor = opensim.ModelProcessor(opensim.Model(source))
    joints = opensim.StdVectorString()
    for name in weld:
        joints.append(name)
    processor.append(opensim.ModOpReplaceJointsWithWelds(joints))
    processor.append(opensim.ModOpAddResiduals(residuals[0], residuals[1], 1.0))
    processor.append(opensim.ModOpAddReserves(reserve))
    model = processor.process()
    model.initSystem()
    model.printToXML(target)
