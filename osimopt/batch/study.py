"""Study files: what to solve, and, separately, how to run it.

The keys of reading and of methods are the declared options: :class:`ReadOptions` and those in ``METHODS``.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator

from ..adapters.options import FILES, ReadOptions
from ..calibration.parameters import USUAL
from ..dynamic.emg import check_tracking
from ..errors import ConfigError, did_you_mean, explain
from ..options import declared
from ..pipeline.options import METHODS
from ..problem.costs import get_cost
from ..solution.quantities import check_outputs
from ..solution.solution import Quantity

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: Letters that names may have: they become folders.
NAME = r"^[\w][\w .+-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=80)]
Positive = Annotated[float, Field(gt=0.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _keys(options: type, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Keys of a study file for the declared options; those that are not given are None."""
    hints = get_type_hints(options)
    keys: dict[str, Any] = {}
    for name, (_, known) in declared(options).items():
        kind = known.study or hints[name]
        limits: dict[str, Any] = {"gt": known.above, "ge": known.least, "lt": known.below}
        words = [part for part in get_args(kind) if get_origin(part) is Literal]
        if words and known.limits():  # which are of the number only
            kind, limits = Annotated[float, Field(**limits)] | words[0], {}
        keys[name] = (kind, Field(**limits)) if name in required else (kind | None, Field(None, **limits))
    return keys


class _Files(_Part):
    """Files of a trial and how they are read, as of :func:`osimopt.load_problem`.

    {subject} and {trial} (the motion's name without its ending) are filled in in paths. ``geometry`` may be the word
    ``"exact"``, ``"opensim"`` or ``"polynomial"``, or the folder of a geometry surrogate. ``emg_shift`` (s) and
    ``emg_clock_rate`` correct the clock of EMG, as :meth:`osimopt.Emg.retimed` does.
    """

    emg: str | None = None
    emg_shift: float | None = None
    emg_clock_rate: Annotated[float, Field(gt=-0.5, lt=0.5)] | None = None
    strides: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the options of reading that are given, but for files."""
        return self.model_dump(exclude_none=True, include=set(declared(ReadOptions)) - set(FILES))


class _Method(_Part):
    """A method of solving, as of :func:`osimopt.solve_static`, :func:`osimopt.solve_dynamic` or ``osimopt train``."""

    name: Name

    @model_validator(mode="after")
    def _cost_exists(self) -> _Method:
        given = self.model_dump(exclude_none=True)
        if given["method"] == "static":
            get_cost(given.get("cost", "activation_power"), given.get("exponent", 2.0))
        if given["method"] == "dynamic" and "emg" in given:
            check_tracking(given["emg"])
        return self


if TYPE_CHECKING:
    Files = _Files
    Static = _Method
    Dynamic = _Method
    BySurrogate = _Method
else:
    Files = create_model("Files", __base__=_Files, **_keys(ReadOptions))
    Static, Dynamic, BySurrogate = (
        create_model(
            method, __base__=_Method, method=(Literal[method], method if method == "static" else ...),
            **_keys(kind, required=("folder",)),
        )
        for method, kind in METHODS.items()
    )  # fmt: skip


class Subject(Files):
    """One model and its motions: ``motions`` is a pattern such as ``ik/*.mot``, or several.

    ``events`` is a .csv with the columns trial, start, end: each row is solved separately. ``trials`` has entries that
    replace these for single trials.
    """

    name: Name
    model: str
    motions: tuple[str, ...]
    events: str | None = None
    trials: dict[str, Files] = Field(default_factory=dict)

    @field_validator("motions", mode="before")
    @classmethod
    def _several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given


Method = Annotated[Static | Dynamic | BySurrogate, Field(discriminator="method")]
#: Methods of a study that names none.
_STATIC: Any = ({"method": "static", "name": "static"},)


class StudyEmg(_Part):
    """How trials are compared with their EMG: as of :func:`osimopt.compare_emg`."""

    mapping: str
    side: Literal["r", "l"] | None = None
    amplitude: Literal["raw", "own maximum", "mvc"] = "raw"


class StudyCalibration(_Part):
    """How ``osimopt calibrate`` calibrates each subject, as :func:`osimopt.calibrate`.

    Trials whose names match a pattern of ``judge`` judge the calibration, all others with EMG make it.
    """

    judge: tuple[str, ...] = ()
    parameters: tuple[str, ...] | dict[str, Any] = USUAL
    mode: Literal["driven", "assisted"] = "driven"
    coordinates: tuple[str, ...] | None = None
    tendon: Literal["rigid", "compliant"] = "rigid"
    left_out: tuple[str, ...] = ()
    follow: bool = True
    passive: Positive | None = None
    profiles: tuple[str, ...] | bool = False
    starts: Annotated[int, Field(gt=0)] = 3
    seed: int = 0

    def options(self) -> dict[str, Any]:
        """Return options of :func:`osimopt.calibrate`."""
        return self.model_dump(exclude={"judge"})


class RunOptions(_Part):
    """How the study is run: nothing here changes a result.

    ``memory_mb`` and ``timeout_s`` are of one job; a worker that has grown past ``recycle_mb`` is replaced after it.
    """

    jobs: Annotated[int, Field(gt=0)] | None = None
    memory_mb: Positive = 4000.0
    recycle_mb: Positive = 1500.0
    timeout_s: Positive = 3600.0
    attempts: Annotated[int, Field(gt=0)] = 2


class Study(_Part):
    """A study; ``folder`` is that of its file, which its paths are relative to.

    ``outputs`` are names of further quantities that every job writes, as of :func:`osimopt.solve_to_folder`, or "all".
    """

    name: Name = "study"
    defaults: Files = Files()
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)]
    methods: Annotated[tuple[Method, ...], Field(min_length=1, validate_default=True)] = _STATIC
    emg: StudyEmg | None = None
    calibration: StudyCalibration | None = None
    outputs: tuple[str, ...] = ()
    run: RunOptions = RunOptions()
    folder: Path = Path()

    @field_validator("outputs", mode="before")
    @classmethod
    def _outputs_in_one_text(cls, given: Any) -> Any:
        return given.split(",") if isinstance(given, str) else given

    @field_validator("outputs")
    @classmethod
    def _outputs_exist(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return check_outputs(given, get_args(Quantity))

    @model_validator(mode="before")
    @classmethod
    def _static_by_default(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("methods"), list):
            methods = [{"method": "static", **own} if isinstance(own, dict) else own for own in given["methods"]]
            return {**given, "methods": methods}
        return given

    @model_validator(mode="after")
    def _tracked_emg_has_a_mapping(self) -> Study:
        if self.emg is None and (tracking := [part.name for part in self.methods if getattr(part, "emg", None)]):
            raise ValueError(f"an [emg] with a mapping for emg of the methods {', '.join(tracking)}, got none")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Study:
        for what in ("subjects", "methods"):
            names = [part.name for part in getattr(self, what)]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} of different names, got {', '.join(twice)} twice")
        return self


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read a study file (.toml).

    Raises
    ------
    ConfigError
        No such file, no TOML, or wrong entries: all of them at once, each with its place.
    """
    path = Path(path)
    fix = "osimopt batch --init writes an example."
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(explain("a study file (.toml)", "no such file", fix, path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(explain("a study file (.toml)", str(error), fix, path)) from None
    if "folder" in content:
        raise ConfigError(explain("no 'folder' in a study", "one", "Paths are relative to the file.", path))
    try:
        return Study(**content, folder=path.resolve().parent)
    except ValidationError as error:
        lines = [_described(one) for one in _innermost(error.errors())]
        count = "1 entry is" if len(lines) == 1 else f"{len(lines)} entries are"
        raise ConfigError(f"{path}: {count} wrong:\n" + "\n".join(f"  {line}" for line in lines)) from None


def _innermost(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Errors that do not follow from one within their entry: a list that lost an item is too short then."""
    inner = {error["loc"][:depth] for error in errors for depth in range(len(error["loc"]))}
    return [error for error in errors if error["loc"] not in inner]


def _described(error: ErrorDetails) -> str:
    """Place of an error, its description, and a similar known name."""
    tags = {"static", "dynamic", "surrogate"}
    place = [own for number, own in enumerate(error["loc"]) if not (number == 2 and own in tags)]
    where = ".".join(str(own + 1) if isinstance(own, int) else str(own) for own in place)
    if error["type"] == "extra_forbidden":
        parts = _PARTS.get(str(error["loc"][0]), ()) if len(error["loc"]) > 1 else (Study,)
        known = sorted({name for part in parts for name in part.model_fields} - {"folder"})
        return f"{where}: no such entry. {did_you_mean([place[-1]], known, '')}".rstrip()
    text = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = f", got {given!r}" if isinstance(given, str | int | float | bool) and len(str(given)) < 60 else ""
    context = error.get("ctx", {})
    words = re.findall(r"'([^']+)'", str(context.get("expected_tags", context.get("expected", ""))))
    meant = did_you_mean([context.get("tag", given)], words, "")
    return f"{where or 'the file'}: {text[0].lower() + text[1:]}{shown}. {meant}".replace("?.", "?").rstrip()


#: Parts of a study by its keys, whose names are suggested.
_PARTS: dict[str, tuple[type[BaseModel], ...]] = {
    "defaults": (Files,), "subjects": (Subject, Files), "methods": (Static, Dynamic, BySurrogate), "emg": (StudyEmg,),
    "calibration": (StudyCalibration,), "run": (RunOptions,),
}  # fmt: skip
