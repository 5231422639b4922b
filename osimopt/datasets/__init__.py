"""The example arm of the package, and public data sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, explain


@dataclass(frozen=True)
class Example:
    """Paths of a model and its motion."""

    model: Path
    motion: Path


def arm26() -> Example:
    """Paths of the arm26 model (6 muscles, shoulder and elbow) and its elbow flexion.

    Built by ``scripts/build_models.py`` from published numbers; see ``models/README.md``.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_models", package.parent / "models"):
        if (folder / "arm26.osim").is_file():
            return Example(folder / "arm26.osim", folder / "arm26_elbow_flexion.mot")
    raise InputError(explain("the example models", "none beside the package", "Reinstall osimopt.", package))
