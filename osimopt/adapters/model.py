"""A model file, or a live opensim.Model, checked and described."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .. import isolation
from ..errors import InputError, ModelError, explain
from ..muscle import CLASSES
from .messages import ModelDescription, ModelKey
from .scratch import scratch_folder
from .xml import read_xml


@dataclass(frozen=True)
class Model:
    """A model that opensim's process has loaded: where it is, and what is in it."""

    key: ModelKey
    description: ModelDescription

    @property
    def path(self) -> str:
        """The file, as messages name it."""
        return self.key.path

    def with_loads(self, data: Path) -> Model:
        """The same model with another file of loads."""
        path, loads, _, *sets = self.key.stamps  # the model stays the one that was described, whatever its file is now
        key = replace(self.key, loads_data=str(data), stamps=(path, loads, stamp(data), *sets))
        return replace(self, key=key)

    def with_rigid_tendons(self) -> Model:
        """The same model with every tendon inextensible."""
        return replace(self, key=replace(self.key, rigid_tendon=True))


def read_model(
    model: str | os.PathLike[str] | Any,
    weld: Sequence[str] = (),
    external_loads: tuple[Path, Path] | None = None,
    force_sets: Sequence[str | os.PathLike[str]] = (),
    replace_force_set: bool = False,
    contact: bool = True,
) -> Model:
    """Load a model in opensim's process: ``describe(identify(...))``."""
    return describe(identify(model, weld, external_loads, force_sets, replace_force_set, contact))


def describe(key: ModelKey) -> Model:
    """Load a model in opensim's process and describe it.

    Raises
    ------
    ModelError
        OpenSim refuses the model, or it has a muscle, actuator or constraint class that is not supported.
    """
    return Model(key, isolation.run("opensim", "osimopt.adapters.worker.describe:describe", key, subject=key.path))


def identify(
    model: str | os.PathLike[str] | Any,
    weld: Sequence[str] = (),
    external_loads: tuple[Path, Path] | None = None,
    force_sets: Sequence[str | os.PathLike[str]] = (),
    replace_force_set: bool = False,
    contact: bool = True,
) -> ModelKey:
    """What opensim's process loads, its files there and of the right kind.

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model`` (handed over by its own ``printToXML``).
    weld
        Names of joints to weld: their coordinates are locked at the model's defaults.
    external_loads
        ExternalLoads file and the file of its data.
    force_sets, replace_force_set
        ForceSet files whose forces join the model's own, or take their place.
    contact
        Whether forces of the model that press on the ground act.

    Raises
    ------
    InputError
        No such file, not XML, not an OpenSim model.
    """
    path = as_file(model)
    read_xml(path, "Model", "an OpenSim model (.osim)")
    if isinstance(weld, str):
        raise InputError(explain("weld as a sequence of joint names", repr(weld), f"Write weld=({weld!r},)."))
    sets = [Path(name).resolve() for name in force_sets]
    for file in sets:
        read_xml(file, "ForceSet", "a file with a ForceSet (.xml)")
    loads, data = external_loads or (None, None)
    return stamped(
        ModelKey(
            path=str(path),
            stamps=(),
            weld=tuple(weld),
            loads=None if loads is None else str(loads),
            loads_data=None if data is None else str(data),
            force_sets=tuple(map(str, sets)),
            replace_force_set=replace_force_set,
            contact=contact,
        )
    )


def stamped(key: ModelKey) -> ModelKey:
    """The same key with its files as they are now."""
    files = [Path(name) for name in (key.path, key.loads, key.loads_data, *key.force_sets) if name is not None]
    return replace(key, stamps=tuple(stamp(file) for file in files))


def stamp(file: Path) -> tuple[int, int]:
    """Size and time of change."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def as_file(model: str | os.PathLike[str] | Any) -> Path:
    """Return the path of a model; a live one is written to a temporary file.

    Raises
    ------
    InputError
        It is neither a path nor an opensim.Model.
    """
    if hasattr(model, "printToXML"):
        return _write_live_model(model)
    if not isinstance(model, (str, os.PathLike)):
        raise InputError(explain("a model as a path or an opensim.Model", repr(model), "Give the path of the .osim."))
    return Path(model).resolve()


def _write_live_model(model: Any) -> Path:
    """Write a live model to a temporary file of its own, every property: class defaults may differ where it is read."""
    folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
    path = folder / f"{model.getName() or 'model'}.osim"
    with _every_property(model):
        written = model.printToXML(str(path))
    if not written:
        raise ModelError(
            explain("a model that OpenSim can write", f"'{model.getName()}', refused", "Finalize it first.")
        )
    _drop_ignored(path)
    return path


@contextmanager
def _every_property(model: Any) -> Iterator[None]:
    """Let OpenSim write properties that are at their class's default too."""
    switch = getattr(model, "setSerializeAllDefaults", None)
    before = switch is not None and model.getSerializeAllDefaults()
    if switch is not None:
        switch(True)
    try:
        yield
    finally:
        if switch is not None:
            switch(before)


def _drop_ignored(path: Path) -> None:
    """Remove the properties of muscles that OpenSim writes and then refuses to read."""
    document = ElementTree.parse(path)
    unreadable = [
        (muscle, name) for kind in CLASSES.values() for name in kind.unreadable for muscle in document.iter(kind.name)
    ]
    ignored = [(muscle, own) for muscle, name in unreadable for own in muscle.findall(name)]
    for muscle, own in ignored:
        muscle.remove(own)
    if ignored:
        document.write(path, encoding="utf-8", xml_declaration=True)
