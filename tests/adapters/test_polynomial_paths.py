"""Polynomial paths as the adapters take them: what their fit says of itself is said to the user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osimopt import ModelError
from osimopt.adapters.geometry_fit import leave_missed
from osimopt.adapters.model import read_model
from osimopt.adapters.polynomials import fitted_to, read_polynomials
from osimopt.polynomial.geometry import MusclePolynomial, PolynomialGeometry
from osimopt.polynomial.muscle_paths import Fit
from osimopt.problem.path_record import PATHS, PathRecord

ELBOW = "/jointset/r_elbow/r_elbow_flex"
GOOD = Fit(np.zeros(1), np.ones(1), 2e-5, 3e-5, 4e-5, 5e-5, flags=("Snaps by 3.0 mm (moment arm 1.0 mm) at 1.",))
SHORT = replace(GOOD, length_rms=1e-4, moment_arm_rms=1.1e-3, flags=("Not within 0.1 mm.",))
SHORTER = replace(GOOD, length_rms=2.3e-3, moment_arm_rms=0.9e-3, flags=("Not within 0.1 mm.",))


def test_paths_whose_fit_missed_its_tolerance_are_one_warning(arm) -> None:
    model = read_model(arm.model)
    names = model.description.muscles.names

    def paths(fits: dict[str, Fit | None]) -> PolynomialGeometry:
        of = [(f"/forceset/{name}", fits.get(name, GOOD)) for name in names]
        return PolynomialGeometry(tuple(MusclePolynomial(path, (ELBOW,), 0, np.ones(1), fit) for path, fit in of))

    told = r"2 of 6 muscles missed .*; the worst, BRA, is off by 2\.3 mm in length and 0\.9 mm in moment arm"
    with pytest.warns(UserWarning, match=told) as caught:
        read_polynomials(paths({"BRA": SHORTER, "TRIlat": SHORT}), model, arm.motion, 1)
    assert len(caught) == 1
    read_polynomials(paths({"BRA": None}), model, arm.motion, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"length_rms": 1.01e-4}, r"length off by 0\.1 mm"),
        ({"length_rms": 0.99e-4}, ""),
        ({"moment_arm_rms": 1.01e-3}, "moment arm off by 1 mm"),
        ({"moment_arm_rms": 0.99e-3}, ""),
        ({"moment_arm_rms": float("nan")}, "moment arm off by nan"),
        ({"left_out": 0.0101}, "path snaps in 1 % of the postures"),
        ({"left_out": 0.0099}, ""),
    ],
)
def test_muscles_that_no_polynomial_follows_keep_their_exact_paths(arm, tmp_path, change, says) -> None:
    model = read_model(arm.model)
    fits = {"BRA": replace(GOOD, **change), "TRIlat": GOOD}
    of = tuple(MusclePolynomial(f"/forceset/{name}", (ELBOW,), 0, np.ones(1), fit) for name, fit in fits.items())
    given = PolynomialGeometry(of, record=PathRecord(dict.fromkeys(fits, "exact")))
    if not says:
        assert leave_missed(model, given, 1e-4) is given
        return
    with pytest.warns(UserWarning, match=rf"Left to their exact paths, .*: BRA \({says}"):
        left = leave_missed(model, given, 1e-4)
    assert left.muscles == ("TRIlat",)
    left.write(tmp_path / "paths.xml")
    read = PolynomialGeometry.read(tmp_path / "paths.xml")
    assert read.to_dataframe().loc["BRA", "flags"].startswith("Left to its exact path: ")
    assert read.to_dataframe().equals(left.to_dataframe())
    with pytest.raises(ModelError, match=r"expected a muscle that polynomials follow within 0\.1 mm"):
        leave_missed(model, given.select(["BRA"]), 1e-4)
    by_opensim = replace(given, record=PathRecord(dict.fromkeys(fits, "opensim")))
    assert leave_missed(model, by_opensim, 1e-4) is by_opensim


def test_which_paths_were_fitted_is_said() -> None:
    muscles = tuple(MusclePolynomial(f"/forceset/{name}", (ELBOW,), 0, np.ones(1)) for name in ("a", "b"))
    exact = PathRecord({"a": "exact", "b": "exact"})
    assert fitted_to(None) == fitted_to(PolynomialGeometry(muscles, record=exact)) == []
    (text,) = fitted_to(PolynomialGeometry(muscles))
    assert text.startswith("Fitted to OpenSim's paths (nothing else is recorded of them): a, b.")
    mixed = PolynomialGeometry(muscles, record=PathRecord({"a": "exact", "b": "opensim"}))
    assert [text.split(".")[0] for text in fitted_to(mixed)] == ["Fitted to OpenSim's paths: b"]
    assert fitted_to(mixed.select(["a"])) == []
    (text,) = fitted_to(PolynomialGeometry(muscles, record=replace(exact, version=PATHS + 1)))
    assert text.startswith(f"Fitted to exact paths of version {PATHS + 1}, those of this osimopt have version {PATHS}")
