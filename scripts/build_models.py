"""Build the arm26 model and its elbow flexion motion from ``models/arm26.toml``."""

import argparse
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import opensim

MODELS = Path(__file__).resolve().parent.parent / "models"
ZERO = opensim.Vec3(0)

Table = dict[str, Any]


def set_properties(component: opensim.OpenSimObject, properties: Table) -> None:
    """Set OpenSim properties by name; a list is a Vec3."""
    for name, value in properties.items():
        getattr(component, f"set_{name}")(opensim.Vec3(*value) if isinstance(value, list) else value)


def find_body(model: opensim.Model, name: str) -> opensim.PhysicalFrame:
    """Return the ground or the body with that name."""
    return model.updGround() if name == "ground" else model.updBodySet().get(name)


def add_body(model: opensim.Model, name: str, table: Table) -> None:
    """Add a rigid body."""
    inertia = opensim.Inertia(*table["inertia"])
    model.addBody(opensim.Body(name, table["mass"], opensim.Vec3(*table["mass_center"]), inertia))


def add_joint(model: opensim.Model, name: str, table: Table) -> None:
    """Add a weld or, where the table names a coordinate, a hinge."""
    parent, child = (find_body(model, table[key]) for key in ("parent", "child"))
    frames = (parent, opensim.Vec3(*table["location"]), ZERO, child, ZERO, ZERO)
    if "coordinate" not in table:
        model.addJoint(opensim.WeldJoint(name, *frames))
        return
    joint = opensim.CustomJoint(name, *frames, hinge(table["coordinate"], table["axis"]))
    model.addJoint(joint)
    coordinate = joint.upd_coordinates(0)
    coordinate.setRangeMin(table["range"][0])
    coordinate.setRangeMax(table["range"][1])
    coordinate.setDefaultValue(table["default"])


def hinge(coordinate: str, axis: Sequence[float]) -> opensim.SpatialTransform:
    """Return the rotation about an axis other than y, which the idle second rotation has."""
    transform = opensim.SpatialTransform()
    rotation = transform.upd_rotation1()
    rotation.setAxis(opensim.Vec3(*axis))
    rotation.setCoordinateNames(opensim.ArrayStr(coordinate, 1))
    rotation.set_function(opensim.LinearFunction(1, 0))
    transform.upd_rotation3().setAxis(opensim.Vec3(*np.cross([0, 1, 0], axis)))
    return transform


def add_wrap(model: opensim.Model, name: str, table: Table) -> None:
    """Add a wrap object to its body."""
    wrap = getattr(opensim, table["type"])()
    wrap.setName(name)
    set_properties(wrap, {key: value for key, value in table.items() if key not in ("type", "body")})
    find_body(model, table["body"]).addWrapObject(wrap)


def add_muscle(model: opensim.Model, name: str, table: Table, bodies: dict[str, str]) -> None:
    """Add a muscle with its path; ``bodies`` gives the body of each wrap object."""
    muscle = opensim.Thelen2003Muscle()
    muscle.setName(name)
    set_properties(muscle, {key: value for key, value in table.items() if key not in ("points", "wraps")})
    for number, (body, location) in enumerate(table["points"], 1):
        muscle.addNewPathPoint(f"{name}-P{number}", find_body(model, body), opensim.Vec3(*location))
    path = muscle.updGeometryPath()
    for number, (wrap, method, limits) in enumerate(table["wraps"]):
        path.addPathWrap(find_body(model, bodies[wrap]).getWrapObject(wrap))
        path_wrap = path.updWrapSet().get(number)
        path_wrap.setName(f"{name}-{wrap}")
        path_wrap.set_method(method)
        for end, point in enumerate(limits):
            path_wrap.set_range(end, point)
    model.addForce(muscle)


def build_model(table: Table) -> opensim.Model:
    """Build the model that a table of numbers describes."""
    model = opensim.Model()
    model.setName(table["model"]["name"])
    set_properties(model, {key: value for key, value in table["model"].items() if key != "name"})
    for name, body in table["bodies"].items():
        add_body(model, name, body)
    for name, joint in table["joints"].items():
        add_joint(model, name, joint)
    for name, wrap in table["wraps"].items():
        add_wrap(model, name, wrap)
    bodies = {name: wrap["body"] for name, wrap in table["wraps"].items()}
    for name, muscle in table["muscles"].items():
        add_muscle(model, name, table["muscle_properties"] | muscle, bodies)
    model.finalizeConnections()
    return model


def write_model(model: opensim.Model, path: Path) -> None:
    """Write an .osim file without OpenSim's comments on every property."""
    model.printToXML(str(path))
    path.write_text(re.sub(r"\s*<!--.*?-->", "", path.read_text("utf-8"), flags=re.DOTALL), "utf-8")


def write_motion(table: Table, path: Path) -> None:
    """Write a .mot file of smooth movements (a sine squared) from one angle to another and back, in degrees."""
    count = round(table["duration"] * table["rate"]) + 1
    reach = np.sin(np.linspace(0, np.pi, count)) ** 2
    angles = [start + (stop - start) * reach for start, stop in table["coordinates"].values()]
    rows = np.column_stack([np.arange(count) / table["rate"], *angles])
    size = f"nRows={count}\nnColumns={rows.shape[1]}"
    header = f"{table['name']}\nversion=1\n{size}\ninDegrees=yes\nendheader"
    lines = [header, "\t".join(["time", *table["coordinates"]])]
    lines += ["\t".join(f"{value:.10f}" for value in row) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Build the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS, help="directory to write to (default: models)")
    out: Path = parser.parse_args(argv).out
    opensim.Logger.removeFileSink()  # before OpenSim's first message, which would create opensim.log
    opensim.Logger.setLevelString("Warn")
    table = tomllib.loads((MODELS / "arm26.toml").read_text("utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    write_model(build_model(table), out / f"{table['model']['name']}.osim")
    write_motion(table["motion"], out / f"{table['motion']['name']}.mot")


if __name__ == "__main__":
    main()
