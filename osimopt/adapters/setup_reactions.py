"""The JointReaction analyses of a setup file: which joints, on which bodies, in which frames, of which forces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element

from ..errors import ConfigError, explain
from ..problem.reactions import SIDES, On
from .setup_properties import Properties

#: Stands for all joints of the model, in the model's order.
ALL = "all"


@dataclass(frozen=True)
class ReactionAnalysis:
    """Settings of one JointReaction.

    ``joints`` is None for all of them. ``on`` and ``frames`` have one entry for all joints, or one for each; a frame is
    ``"ground"``, ``"parent"``, ``"child"``, or the name or path of one in the model. ``forces`` is the file of the
    actuators' forces, None for those of the StaticOptimization in the same setup file.
    """

    name: str
    joints: tuple[str, ...] | None
    on: tuple[On, ...]
    frames: tuple[str, ...]
    forces: Path | None
    step_interval: int

    def on_of(self, number: int) -> On:
        """On which body the reaction of a joint acts, by its number."""
        return self.on[number if len(self.on) > 1 else 0]

    def frame_of(self, number: int) -> str:
        """In which frame the reaction of a joint is expressed, by its number."""
        return self.frames[number if len(self.frames) > 1 else 0]

    def check_lengths(self, joints: int, path: Path) -> None:
        """Refuse lists that have neither one entry nor one for each joint, as OpenSim does."""
        for tag, given in (("apply_on_bodies", self.on), ("express_in_frame", self.frames)):
            if len(given) not in (1, joints):
                fix = "Give one for all joints, or one for each, in the order of <joint_names>."
                got = f"{len(given)}: {' '.join(given)}"
                raise ConfigError(explain(f"1 or {joints} entries", got, fix, f"{path}, <{tag}>"))


def read_reactions(element: Element, given: Properties, solved: Path | None) -> ReactionAnalysis:
    """Read one JointReaction; ``solved`` is the file of forces that a StaticOptimization beside it writes, if any.

    Raises
    ------
    ConfigError
        A wrong value, a file that does not exist, no forces.
    """
    names = given.text("joint_names").split()
    sides = [side.lower() for side in given.text("apply_on_bodies").split()] or ["child"]
    frames = [_keyword(frame) for frame in given.text("express_in_frame").split()] or ["ground"]
    if wrong := [side for side in sides if side not in SIDES]:
        raise given.wrong("apply_on_bodies", "child or parent", wrong[0], "Correct it.")
    analysis = ReactionAnalysis(
        element.get("name") or "JointReaction",
        None if not names or names[0].lower() == ALL else tuple(names),
        cast(tuple[On, ...], tuple(sides)),
        tuple(frames),
        _forces(given, solved),
        given.count("step_interval", 1),
    )
    if analysis.joints is not None:
        analysis.check_lengths(len(analysis.joints), given.path)
    return analysis


def _keyword(frame: str) -> str:
    """A frame, its keywords in lower case as OpenSim understands them."""
    return frame.lower() if frame.lower() in ("ground", *SIDES) else frame


def _forces(given: Properties, solved: Path | None) -> Path | None:
    """The file of forces, None for those that are solved for."""
    name = given.text("forces_file")
    if name in ("", "Unassigned"):
        if solved is None:
            fix = (
                "Name the _force.sto of a static optimization, or add a StaticOptimization to the setup file. Without "
                "either OpenSim takes the muscle forces of the model's default states, or of a states file."
            )
            raise given.wrong("forces_file", "a file of forces", name, fix)
        return None
    if solved is not None and (given.path.parent / name.replace("\\", "/")).resolve() == solved:
        return None
    return given.file("forces_file")
