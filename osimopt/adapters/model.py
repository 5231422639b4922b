"""OpenSim's XML files, and models, from a file or a live opensim.Model, described in opensim's process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from .. import isolation
from ..errors import InputError, ModelError, explain, some
from ..files.storage import sha256
from ..muscle.forces import CLASSES
from ..notices import warn
from .mechanics import read_described
from .messages import Described, ModelDescription, ModelKey

#: Elements of external loads.
LOADS = "ExternalForce", "ExternalLoads"


@dataclass(frozen=True)
class Model:
    """A model: its files, how they are loaded, and what is described of it in arrays.

    OpenSim's process loads it when it is first asked for something, with the external loads that ``attach`` adds.
    """

    key: ModelKey
    described: Described
    attach: Callable[[ModelKey], ModelKey] | None = None

    @property
    def description(self) -> ModelDescription:
        """Its coordinates, muscles, actuators and other forces."""
        return self.described.description

    @property
    def path(self) -> str:
        """The file, as messages name it."""
        return self.key.path

    def run(self, function: str, *arguments: Any) -> Any:
        """Result of a ``module:function`` of ``osimopt.adapters.worker``, called with the model and these arguments."""
        return next(self.run_many(function, [arguments]))

    def run_many(self, function: str, calls: Iterable[tuple[Any, ...]], n_jobs: int = 1) -> Iterator[Any]:
        """Results, in order, of calls with the model and each tuple of arguments, on ``n_jobs`` processes."""
        name = f"osimopt.adapters.worker.{function}"
        calls = ((self.loaded, *call) for call in calls)
        return isolation.run_many("opensim", name, calls, subject=self.path, n_jobs=n_jobs)

    @cached_property
    def loaded(self) -> ModelKey:
        """What OpenSim's process loads."""
        return self.key if self.attach is None else self.attach(self.key)

    def with_rigid_tendons(self) -> Model:
        """The same model with every tendon inextensible."""
        return replace(self, key=replace(self.key, rigid_tendon=True))


def read_model(
    model: str | os.PathLike[str] | Any, weld: Sequence[str] = (), cache: str | os.PathLike[str] | None = None
) -> Model:
    """Describe a model: ``describe(identify(...), cache)``."""
    return describe(identify(model, weld), cache)


def describe(key: ModelKey, cache: str | os.PathLike[str] | None = None) -> Model:
    """Describe a model, by OpenSim where no description of it is kept in the ``cache`` (:func:`.cache.model_folder`).

    A warning names muscles that are replaced by those of another class.

    Raises
    ------
    ModelError
        OpenSim refuses the model, or it has a muscle, actuator or constraint class that is not supported.
    """
    described = read_described(key, cache)
    for text in described.description.replaced:
        warn(f"{key.path}: {text}")
    return Model(key, described)


def identify(
    model: str | os.PathLike[str] | Any,
    weld: Sequence[str] = (),
    external_loads: bool = False,
    force_sets: Sequence[str | os.PathLike[str]] = (),
    replace_force_set: bool = False,
    contact: bool = True,
) -> ModelKey:
    """Check the files of a model, and identify the model that opensim's process has to load.

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model`` (written by its ``printToXML``).
    weld
        Names of joints to weld: their coordinates are locked at the model's defaults.
    external_loads
        Whether some are given beside the model.
    force_sets, replace_force_set
        ForceSet files whose forces join the model's own, or take their place.
    contact
        Whether forces of the model that press on the ground act.

    Raises
    ------
    InputError
        No such file, not XML, not an OpenSim model.
    ModelError
        External loads in the model, and beside it.
    """
    path = as_file(model)
    described = [read_xml(path, "Model", "an OpenSim model (.osim)")]
    if isinstance(weld, str):
        raise InputError(explain("weld as a sequence of joint names", repr(weld), f"Write weld=({weld!r},)."))
    sets = [Path(name).resolve() for name in force_sets]
    described += [read_xml(file, ("ForceSet", "ActuatorSet"), "a file with a ForceSet (.xml)") for file in sets]
    included = _included((path, *sets))
    own = [part.get("name", "") for one in described for kind in LOADS for part in one.iter(kind)]
    if own and external_loads:
        fix = "Leave external_loads out, or remove them from the model: they would count twice."
        raise ModelError(explain("a model without external loads in it", some(own), fix, path))
    return ModelKey(
        path=str(path),
        stamps=tuple(map(sha256, (path, *sets, *included))),
        weld=tuple(weld),
        force_sets=tuple(map(str, sets)),
        replace_force_set=replace_force_set,
        contact=contact,
        included=tuple(map(str, included)),
    )


def _included(files: Sequence[Path]) -> list[Path]:
    """Files that OpenSim reads in place of elements of these, by their attribute ``file``, and of those files."""
    found = list(files)
    for file in found:  # which grows
        parts = _document(file, sha256(file), "an OpenSim document (.xml)").iter()
        named = [find_file(name, file.parent) for part in parts if (name := part.get("file"))]
        found += [one for one in dict.fromkeys(named) if one is not None and one not in found]
    return found[len(files) :]


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
    """Write every property of a live model to a temporary file: class defaults may differ in the other process."""
    path = Path(tempfile.mkdtemp(dir=scratch_folder())) / f"{model.getName().replace('/', '_') or 'model'}.osim"
    optional = hasattr(model, "setSerializeAllDefaults")
    before = optional and model.getSerializeAllDefaults()
    try:
        if optional:
            model.setSerializeAllDefaults(True)
        written = model.printToXML(str(path))
    finally:
        if optional:
            model.setSerializeAllDefaults(before)
    if not written:
        got = f"'{model.getName()}', which it refuses to write"
        raise ModelError(explain("a model that OpenSim can write", got, "Finalize it first."))
    _drop_ignored(path)
    return path


@cache
def scratch_folder() -> Path:
    """Return a temporary folder for files of opensim's processes, made once and removed when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="osimopt-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _drop_ignored(path: Path) -> None:
    """Remove the properties of muscles that OpenSim writes and then refuses to read."""
    document = ElementTree.parse(path)
    muscles = [(muscle, kind.unreadable) for kind in CLASSES.values() for muscle in document.iter(kind.name)]
    ignored = [(muscle, part) for muscle, names in muscles for part in muscle if part.tag in names]
    for muscle, part in ignored:
        muscle.remove(part)
    if ignored:
        document.write(path, encoding="utf-8", xml_declaration=True)


def find_file(name: str, *folders: Path) -> Path | None:
    """Return the file that an XML names, in one of the folders or by its absolute path; it may have backslashes."""
    candidates = [folder / one for folder in folders for one in (name, name.replace("\\", "/"))]
    return next((candidate.resolve() for candidate in candidates if candidate.is_file()), None)


def read_xml(path: Path, elements: str | tuple[str, ...], what: str) -> Element:
    """The named element of an OpenSim document, to be read only: the first of several names that is there.

    Raises
    ------
    InputError
        No such file, not XML (with line and column), or XML of something else.
    """
    root = _document(path, sha256(path), what) if path.is_file() else parse_xml(path, what)
    names = (elements,) if isinstance(elements, str) else elements
    found = [root] if root.tag in names else [part for name in names if (part := root.find(name)) is not None]
    if not found:
        inside = next((child.tag for child in root), root.tag)
        raise InputError(explain(f"{what} with a <{names[0]}>", f"<{inside}>", "Is it the right file?", path))
    return found[0]


@lru_cache(maxsize=8)
def _document(path: Path, contents: str, what: str) -> Element:
    """The root of a file of these ``contents`` (SHA-256): models are read several times for one trial."""
    return parse_xml(path, what)


def parse_xml(path: Path, what: str) -> Element:
    """Parse without namespaces: OpenSim writes elements like <HuntCrossleyForce::ContactParametersSet>."""
    if not path.is_file():
        raise InputError(explain(what, "no such file", "Check the path.", path))
    parser, builder = expat.ParserCreate(), ElementTree.TreeBuilder()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes().strip(b"\x00 \r\n\t"), True)
    except expat.ExpatError as error:
        where = f"{path}, line {error.lineno}, column {error.offset + 1}"
        fix = "Is it the right file? If OpenSim opens it, save it again from there."
        raise InputError(explain(what, f"text that is not XML ({error})", fix, where)) from None
    return builder.close()
