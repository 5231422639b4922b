"""Files of public data that are made from those that were fetched."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError, explain
from ..files.storage import write_table

#: Model, motion and derived model of ``walk_80muscles``.
MODEL, MOTION, WITH_RESERVES = "subject_walk_scaled.osim", "coordinates.sto", "walk_80muscles_with_reserves.osim"
#: Welded joints, residuals (N·m, N) on the pelvis and reserves (N·m), as in OpenSim's own example of this walk.
WELDED, RESIDUALS, RESERVE = ("mtp_r", "mtp_l"), (250.0, 50.0), 1.0
#: Rates in Hz of the derived motions, and of the file.
RATES, RATE = (50, 100, 1000), 1000
#: Patient of ``knee_implant``, the body on which each force plate acts, and the columns of the measured forces.
PATIENT, PLATES = "GC5", {"1": "calcn_l", "2": "ground", "3": "ground"}
MEASURED = {"F_medial": "medial_N", "F_lateral": "lateral_N", "F_total_magnitude": "total_N"}


def derive_walk(folder: Path) -> None:
    """Write a model with reserves and ``coordinates_<rate>hz.mot`` beside the files of ``walk_80muscles``.

    The two dependent knee coordinates of ``coordinates.sto`` are in degrees although its header declares radians, and
    the model has no actuators but muscles, where feet and residuals need some.
    """
    import pandas as pd

    from .. import isolation
    from ..adapters.load import read_problem
    from ..adapters.options import ReadOptions

    model = folder / WITH_RESERVES
    isolation.run(
        "opensim", "osimopt.adapters.worker.files:write_reserve_model", str(folder / MODEL), str(model),
        WELDED, RESIDUALS, RESERVE, subject=folder / MODEL,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the knees, which are corrected here
        motion = read_problem(ReadOptions(model, folder / MOTION)).kinematics
    if motion is None:
        raise InputError(explain("a motion with its kinematics", "none", "Fetch the data again.", folder / MOTION))
    for rate in RATES:
        keep = np.arange(0, len(motion.time), RATE // rate)
        index = pd.Index(np.round(motion.time[keep], 10), name="time")
        table = pd.DataFrame(np.round(motion.value[keep], 10), index=index, columns=list(motion.coordinates))
        write_table(table, folder / f"coordinates_{rate}hz.mot", name="Coordinates")


def derive_loads(folder: Path) -> None:
    """Write an ExternalLoads file beside each ``<trial>_kinetics.mot`` of ``knee_implant``.

    Plate 1 is under the left foot. What plates 2 and 3 measured acts on no body of the model: the right foot touches
    them in part only.
    """
    for kinetics in sorted(folder.glob("*_kinetics.mot")):
        forces = "".join(
            f'      <ExternalForce name="GRF{plate}">\n'
            f"        <applied_to_body>{body}</applied_to_body>\n"
            "        <force_expressed_in_body>ground</force_expressed_in_body>\n"
            "        <point_expressed_in_body>ground</point_expressed_in_body>\n"
            f"        <force_identifier>{plate}_ground_force_v</force_identifier>\n"
            f"        <point_identifier>{plate}_ground_force_p</point_identifier>\n"
            f"        <torque_identifier>{plate}_ground_torque_</torque_identifier>\n"
            "      </ExternalForce>\n"
            for plate, body in PLATES.items()
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8" ?>\n<OpenSimDocument Version="30000">\n'
            f'  <ExternalLoads name="ExternalLoads">\n    <objects>\n{forces}    </objects>\n'
            f"    <datafile>{kinetics.name}</datafile>\n  </ExternalLoads>\n</OpenSimDocument>\n"
        )
        place = kinetics.with_name(kinetics.name.replace("_kinetics.mot", "_loads.xml"))
        place.write_text(text, encoding="utf-8")


def write_implant(place: Path) -> None:
    """Replace the MATLAB file of all patients by the forces of one trial, as text.

    ``place`` is named ``<patient>_<trial>_implant.csv``. The file has, of each patient, forces at 101 points of each
    trial, columns and names of trials as ``PS_ngait_og_<trial>.…``.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    trial = place.name.split("_")[1]
    try:
        known = loadmat(place, simplify_cells=True)["eTibia_data"][PATIENT]["ngait_og"]
        names = [str(name).split(".")[0].rsplit("_", 1)[-1] for name in known["trial_names"]]
        columns = [list(known["colheaders"]).index(name) for name in MEASURED]
        force = np.asarray(known["data"], dtype=float)[:, columns, names.index(trial)]
    except (MatReadError, KeyError, IndexError, TypeError, ValueError) as error:
        expected = f"forces of the trial {trial} of {PATIENT} in a MATLAB file"
        raise InputError(explain(expected, f"{type(error).__name__}: {error}", "Fetch it again.")) from error
    rows = [",".join(["percent_of_trial", *MEASURED.values()])]
    rows += [",".join([str(point), *(f"{value:.3f}" for value in row)]) for point, row in enumerate(force)]
    place.write_bytes(("\n".join(rows) + "\n").encode())


#: What is made of the files of a set, and of a file that is not the one wanted itself.
DERIVED: dict[str, Callable[[Path], None]] = {"walk_80muscles": derive_walk, "knee_implant": derive_loads}
MADE: dict[str, Callable[[Path], None]] = {"implant": write_implant}
