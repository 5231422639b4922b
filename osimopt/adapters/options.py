"""ReadOptions: which files are read, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..errors import InputError, did_you_mean, explain, shown
from ..files.given import GivenTable
from ..options import check_values, declared, option
from ..polynomial.muscle_paths import MusclePaths
from ..problem.names import check_wanted
from ..problem.reactions import Frame, Joints, On, joint_words
from ..problem.reserves import ReserveActuators
from .cache import digest
from .inputs import as_loads, as_table, existing, named_in, numbered
from .loads import GivenLoads
from .model import as_file

Source = str | os.PathLike[str]
#: A path or a pandas.DataFrame.
Table = Any
#: A path, or (path, pandas.DataFrame).
Loads = Any
Reserves = Literal["auto"] | float | Mapping[str, float] | None
#: Cutoff in Hz of a low-pass; ``"motion"`` is the cutoff of the motion.
Cutoff = float | Literal["motion"] | None
#: Muscle paths of a model, which can be tabulated, sampled and fitted.
Geometry = Literal["exact", "opensim"]
GEOMETRIES = get_args(Geometry)
#: Geometries that are no files.
COMPUTED = (*GEOMETRIES, "polynomial")
#: Paths of a model, in the help of every option that takes them.
OWN_PATHS = "Muscle paths: exact (tangent to all wrap objects), opensim (as OpenSim computes them)"


def file_option(text: str, **known: Any) -> Any:
    """Declare an option that is a file, or None."""
    return option(None, text, file=True, shell=Path, study=str, **known)


@dataclass(frozen=True, eq=False)
class ReadOptions:
    """Files and settings of :func:`osimopt.load_problem`; a live model is written to a file.

    ``model`` is the path of an .osim file or an ``opensim.Model``; ``motion`` that of a .mot or .sto. DataFrames are
    held as :class:`GivenTable` and :class:`GivenLoads`.
    """

    model: Any
    motion: Table
    external_loads: Loads | None = file_option(
        "ExternalLoads (.xml): ground reactions.",
        more="The moments then come from inverse dynamics. (path, DataFrame) takes the loads from the DataFrame, not "
        "from the file that the XML names.",
        flags=("--external-loads", "-l"),
    )
    generalized_force: Table | None = file_option(
        "Moments (.sto) of OpenSim's InverseDynamicsTool instead of inverse dynamics.",
        more="Or a DataFrame. Not together with external_loads. With neither, inverse dynamics without loads.",
        flags=("--generalized-force", "-g"),
    )
    time_range: tuple[float, float] | None = option(
        None,
        "First and last time in s.",
        more="Derivatives still use the whole file. Rows that hold NaN, repeat a time with other numbers or go back in "
        "time, and all rows beyond them, are left out with a warning if they are at least 20 rows and three periods "
        "of the low-pass away from these times (10 rows in loads). Nearer ones raise an error.",
        unit="s",
        shell=tuple[float, float],
        metavar="START END",
    )
    lowpass_hz: float | None = option(
        None,
        "Cutoff in Hz of the zero-phase low-pass on the motion.",
        more="OpenSim's filter, on the free coordinates. None: no filter.",
        unit="Hz",
        above=0.0,
        shell=float,
    )
    lowpass_loads_hz: Cutoff = option(
        None,
        "Cutoff in Hz of the same low-pass on the external loads; motion: the cutoff lowpass_hz.",
        more="The force and its moment about a fixed point are filtered for each ExternalForce, over the whole file; "
        "the centre of pressure is not. Loads with higher frequencies than the motion cause artefacts in the moments "
        "after impacts (doi:10.1016/j.jbiomech.2005.07.021). None: no filter, as in OpenSim.",
        unit="Hz",
        above=0.0,
        shell=str,
    )
    lowpass_moments_hz: Cutoff = option(
        None,
        "Cutoff in Hz of the same low-pass on the moments of generalized_force; motion: the cutoff lowpass_hz.",
        more="They are filtered over the whole file. None: no filter.",
        unit="Hz",
        above=0.0,
        shell=str,
    )
    reserves: Reserves | ReserveActuators = option(
        "auto",
        "Reserve actuators: auto, none (as OpenSim's tool), a number (N·m), or coordinate=N·m,… for single ones.",
        more="They act beside the muscles and the actuators of the model. 'auto': unbounded residual actuators "
        "(250 N·m, 50 N) where neither a muscle nor an actuator of the model acts, and reserves of 1 N·m on every "
        "other coordinate without an actuator. A number: reserves of that many N·m instead. A mapping: reserves on the "
        "coordinates it names. None: no reserves.",
        shell=str,
        study=Literal["auto", "none"] | float | dict[str, float],
    )
    weld: Sequence[str] = option(
        (),
        "Joint to hold in the model's default pose; may be repeated.",
        more="In Python the names of all of them: their coordinates are locked.",
        shell=list[str],
        study=tuple[str, ...],
    )
    passive_force: bool = option(
        False,
        "Add passive fibre force (OpenSim's static optimization leaves it out).",
        more="The elastic force of the fibre at a rigid tendon is added to the muscles' forces.",
        shell=bool,
    )
    gain: Literal["opensim", "corrected", "isometric"] = option(
        "opensim",
        "Maximum force: opensim, corrected (true pennation) or isometric (max_isometric_force).",
        more="'opensim' is calcInextensibleTendonActiveFiberForce at activation 1, the active fibre force along a "
        "rigid tendon at the frame's length and speed. 'corrected' replaces the pennation that OpenSim gets wrong for "
        "Millard's and De Groote's muscles.",
        shell=str,
    )
    geometry: Source | MusclePaths = option(
        "exact",
        f"{OWN_PATHS}, polynomial (fitted now), a FunctionBasedPathSet (.xml), or a folder of networks (osimopt "
        "fit-geometry --networks).",
        more="'exact': the model's own paths, tangent to every object that they wrap over, so that moment arms are "
        "−∂l/∂q; inverse dynamics is computed by arrays, too. Warnings name what these do not cover, which is left to "
        "OpenSim. 'opensim': paths and inverse dynamics of OpenSim 4.6, the numbers of its own tools and of osimopt "
        "0.1. 'polynomial': polynomials fitted in the range of this motion (seconds for 80 muscles); their "
        "moment arms are exactly −∂l/∂q. In Python also a PolynomialGeometry of fit_geometry or any other MusclePaths. "
        "Muscles without a path in it keep the model's own, and a warning names them.",
        file=True,
        shell=str,
        study=str,
    )
    speeds: Table | None = file_option(
        "Speeds of the free coordinates (.sto), used instead of derivatives of the motion.",
        more="Or a DataFrame. Columns <coordinate>_u or /jointset/…/speed at the motion's times; a states file can "
        "be given as both motion and speeds.",
    )
    force_sets: Sequence[Source] = option(
        (),
        "ForceSet (.xml) whose forces join the model's own; may be repeated.",
        file=True,
        shell=list[Path],
        flags=("--force-set",),
        study=tuple[str, ...],
    )
    replace_force_set: bool = option(False, "The force sets take the place of the model's own forces.", shell=bool)
    contact: Literal["auto", "on", "off"] = option(
        "auto",
        "Forces of the model's own contact with the ground: on, off, or auto (off beside external loads).",
        more="Contact forces, and bushings between ground and a model with a free base. A warning names them.",
        shell=str,
    )

    coordinates: str | Sequence[str] | None = option(
        None,
        "Coordinates to balance, by name, pattern (*_l) or side (left, right); may be repeated. All others are left "
        "out.",
        more="For example one leg or one joint; by default all that the muscles cross. Findings list what is left out. "
        "Inverse dynamics and left_out='residuals' need the motion of every free coordinate; otherwise, with "
        "generalized_force, coordinates that are left out and that no acting muscle crosses keep the model's default "
        "where the motion has no column for them.",
        shell=list[str],
        study=tuple[str, ...] | str,
    )
    muscles: str | Sequence[str] | None = option(
        None,
        "Muscles that act, by name, pattern (*_l) or side (left, right); may be repeated. All others produce no force.",
        more="By default all that cross the coordinates.",
        shell=list[str],
        study=tuple[str, ...] | str,
    )
    left_out: Literal["ignore", "residuals"] = option(
        "ignore",
        "Coordinates that are left out: ignore (not balanced), or residuals (balanced by residual actuators).",
        more="'ignore': moments of muscles about them are not balanced. 'residuals': unbounded residual actuators "
        "(250 N·m, 50 N) replace actuators that act only on them; their peaks are reported. Only 'residuals' gives "
        "forces with the motion's accelerations, which OpenSim's JointReaction needs.",
        shell=str,
    )
    joint_reactions: Joints | None = option(
        None,
        "Joints whose reaction forces are computed: all, or by name, pattern (*knee*) or side (left, right), separated "
        "by commas; may be repeated.",
        more="The problem then carries them (``problem.reactions``), and results have what these joints transmit. "
        "Joints whose reactions the motion does not determine are refused by name; of all, patterns and sides they are "
        "left out with a warning. Not with generalized_force, which does not tell what loads act.",
        shell=list[str],
        metavar="NAMES",
        study=tuple[str, ...] | str,
    )
    reactions_on: On = option(
        "child",
        "Body on which joint reactions are written: child or parent, as the model defines the joint.",
        shell=str,
    )
    reactions_frame: Frame = option(
        "ground",
        "Axes in which joint reactions are written: ground, or those of the joint's child or parent.",
        shell=str,
    )

    def __post_init__(self) -> None:
        if self.external_loads is not None and self.generalized_force is not None:
            fix = "A file of generalized forces already contains the loads: leave external_loads out."
            raise InputError(explain("external_loads or generalized_force", "both", fix))
        if self.contact not in ("auto", "on", "off"):
            fix = "Contact forces of joints in the cost: contact= of solve_static or solve_dynamic, --joint-contact."
            expected = "contact (of the model with the ground) among auto, on, off"
            raise InputError(explain(expected, shown(self.contact), fix))
        check_values(ReadOptions, vars(self))
        for name in FILTERED:
            self.cutoff(name)
        for name in ("coordinates", "muscles"):
            if getattr(self, name) is not None:
                check_wanted(name, getattr(self, name))
        joint_words(self.joint_reactions)
        if self.joint_reactions is not None and self.generalized_force is not None:
            fix = "Give external_loads in place of generalized_force, or leave joint_reactions out."
            got = "generalized_force, which does not tell what loads act"
            raise InputError(explain("the loads, with joint_reactions", got, fix))
        if self.joint_reactions is None:
            for name in ("reactions_on", "reactions_frame"):
                if getattr(self, name) != declared(ReadOptions)[name][0].default:
                    fix = "Give joint_reactions, as 'all', or leave it out."
                    raise InputError(explain(f"joint_reactions with {name}", "none", fix))
        if isinstance(self.force_sets, (str, os.PathLike)):
            fix = f"Write force_sets=({str(self.force_sets)!r},)."
            raise InputError(explain("force_sets as a sequence of files", repr(self.force_sets), fix))
        self._refuse_misspelt_geometry()
        object.__setattr__(self, "model", as_file(self.model))
        for name in ("motion", "generalized_force", "speeds"):
            if name == "motion" or getattr(self, name) is not None:
                object.__setattr__(self, name, as_table(name, getattr(self, name)))
        if self.external_loads is not None:
            object.__setattr__(self, "external_loads", as_loads(self.external_loads))

    def _refuse_misspelt_geometry(self) -> None:
        """Refuse a word that is nearly one of those known, and no file."""
        word = self.geometry
        unknown = isinstance(word, str) and word not in COMPUTED and not Path(word).exists()
        if unknown and (meant := did_you_mean([str(word)], COMPUTED, "")):
            expected = f"geometry among {', '.join(COMPUTED)}, or an existing file or folder"
            raise InputError(explain(expected, repr(word), meant))

    def files(self) -> dict[str, Path | GivenTable]:
        """Return every file that is read, by option; those of a sequence are numbered from 1.

        Raises
        ------
        InputError
            A file that does not exist, or a value that is no path.
        """
        found = {"model": existing("model", self.model), "motion": existing("motion", self.motion)}
        for name in FILES:
            value = getattr(self, name)
            if name == "geometry" and (isinstance(value, MusclePaths) or value in COMPUTED):
                continue
            if isinstance(value, GivenLoads):
                found |= {name: existing(name, value.path), f"{name}_data": value.data}
            elif isinstance(value, (list, tuple)):
                found |= {key: existing(key, one) for key, one in numbered(name, value).items()}
            elif value is not None:
                found[name] = existing(name, value)
        return found | named_in(found)

    def settings(self) -> dict[str, Any]:
        """Return the options that are no files, as plain data; objects by their size and SHA-256."""
        settings = {name: getattr(self, name) for name in declared(ReadOptions) if name not in FILES}
        settings["geometry"] = self.geometry
        if isinstance(self.geometry, MusclePaths):
            settings["geometry"] = f"{len(self.geometry.muscles)} {self.geometry.kind}, sha256 {digest(self.geometry)}"
        elif self.geometry not in COMPUTED:
            settings["geometry"] = "file"
        if isinstance(self.reserves, ReserveActuators):
            settings["reserves"] = f"{len(self.reserves.names)} actuators, sha256 {digest(self.reserves)}"
        settings["weld"] = [self.weld] if isinstance(self.weld, str) else list(self.weld)
        return {name: _plain(value) for name, value in settings.items()}

    def cutoff(self, name: str) -> float | None:
        """Return the cutoff in Hz of one of the options ``FILTERED``.

        Raises
        ------
        InputError
            The filtered file is not given, or the option is "motion" without lowpass_hz.
        """
        value, file = getattr(self, name), FILTERED[name]
        if value is not None and getattr(self, file) is None:
            raise InputError(explain(f"{file} with {name}", "none", f"Give {file}, or leave {name} out."))
        if value == "motion" and self.lowpass_hz is None:
            fix = f"Give lowpass_hz, or {name} as a number of Hz."
            raise InputError(explain(f"lowpass_hz with {name}='motion'", "None", fix))
        return self.lowpass_hz if value == "motion" else value

    def contact_acts(self) -> bool:
        """Whether the model's own forces on the ground act: by default not beside external loads."""
        return self.contact == "on" or (self.contact == "auto" and self.external_loads is None)


#: The file that a low-pass beside that of the motion acts on.
FILTERED = {"lowpass_loads_hz": "external_loads", "lowpass_moments_hz": "generalized_force"}
#: Options that name files.
FILES = tuple(name for name, (_, known) in declared(ReadOptions).items() if known.file)


def _plain(value: Any) -> Any:
    """Convert NumPy's numbers and arrays to Python's, and tuples to lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.bool_):
        return bool(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, (bool, int)) else value
