"""Muscle paths in OpenSim's FunctionBasedPathSet (XML), and ranges and errors of their fits in a .toml file."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from ..errors import InputError, explain, some
from ..files.storage import write_atomically
from ..notices import warn
from ..problem.arrays import Array
from ..problem.path_record import PathRecord
from .geometry import MusclePolynomial, PolynomialGeometry
from .muscle_paths import MEASURES, Fit
from .terms import count_terms, differentiate, evaluate_terms

POLYNOMIAL = "MultivariatePolynomialFunction"
#: Largest relative difference between a moment arm function and the slope of the length function; OpenSim's fitter
#: prints both with 17 digits.
SAME = 1e-6
ERRORS = (*MEASURES, "left_out")
EXPECTED, FIX = (
    "an OpenSim FunctionBasedPathSet (.xml)",
    "Give the file of OpenSim's PolynomialPathFitter or of `osimopt fit-geometry`.",
)


def read_paths(path: str | os.PathLike[str]) -> PolynomialGeometry:
    """Read a FunctionBasedPathSet whose functions are polynomials; see ``PolynomialGeometry.read``."""
    path = Path(path)
    if not path.is_file():
        raise InputError(explain(EXPECTED, "no such file", "Check the path.", path))
    try:
        elements = ElementTree.fromstring(path.read_bytes()).findall(".//FunctionBasedPath")
    except ElementTree.ParseError as error:
        raise InputError(explain(EXPECTED, f"text that is not XML ({error})", FIX, path)) from None
    if not elements:
        raise InputError(explain(EXPECTED, "no <FunctionBasedPath>", FIX, path))
    polynomials = [_read_muscle(element, path) for element in elements]
    names = [polynomial.name for polynomial in polynomials]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InputError(explain("one path per muscle", f"two for {some(twice)}", "Remove one.", path))
    fits, known = _read_fits(path, names)
    return replace(known, polynomials=tuple(replace(p, fit=fits.get(p.name)) for p in polynomials))


def _read_muscle(element: Element, file: Path) -> MusclePolynomial:
    name = element.get("name", "")
    where = f"{file}, path '{name}'"
    coordinates = tuple((element.findtext("coordinate_paths") or "").split())
    if not coordinates:
        fix = "Fit the paths again with OpenSim 4.6, or with `osimopt fit-geometry`."
        raise InputError(explain("<coordinate_paths>", "none", fix, where))
    function = element.find("length_function/*")
    if function is None:
        raise InputError(explain("a length function", "none", FIX, where))
    polynomial = MusclePolynomial(name, coordinates, *_read_polynomial(function, len(coordinates), where))
    _check_derived(polynomial, element, where)
    return polynomial


def _read_polynomial(function: Element, dimension: int, where: str) -> tuple[int, Array]:
    """Order and coefficients of a function."""
    if function.tag != POLYNOMIAL:
        raise InputError(explain(f"a function of class {POLYNOMIAL}", function.tag, FIX, where))
    try:
        order, declared = int(function.findtext("order") or ""), int(function.findtext("dimension") or "")
        coefficients = np.array([float(word) for word in (function.findtext("coefficients") or "").split()])
    except ValueError as error:
        raise InputError(explain(f"numbers in {POLYNOMIAL}", str(error), "Repair the file.", where)) from None
    if declared != dimension or order < 0 or len(coefficients) != count_terms(declared, order):
        expected = f"dimension {dimension} and the coefficients of its order"
        got = f"dimension {declared}, order {order} and {len(coefficients)} coefficients"
        raise InputError(explain(expected, got, "Repair the file, or fit the paths again.", where))
    if not np.isfinite(coefficients).all():
        raise InputError(explain("finite coefficients", "NaN or infinity", "Fit the paths again.", where))
    return order, coefficients


def _check_derived(muscle: MusclePolynomial, element: Element, where: str) -> None:
    """Raise an InputError if moment arm or speed functions are not derivatives of the length, at random points."""
    d = len(muscle.coordinate_paths)
    q, u = np.random.default_rng(0).uniform(-1.0, 1.0, (2, d, 50))
    slopes = differentiate(muscle.coefficients, d, muscle.order) @ evaluate_terms(q, muscle.order)
    arms, speeds = element.findall("moment_arm_functions/*"), element.findall("lengthening_speed_function/*")
    if arms and len(arms) != d:
        raise InputError(explain(f"{d} moment arm functions, or none", f"{len(arms)}", "Repair the file.", where))
    expected = [*([-slopes[j] for j in range(d)] if arms else []), *([np.sum(slopes * u, axis=0)] if speeds else [])]
    given = [(f, q) for f in arms] + [(f, np.concatenate([q, u])) for f in speeds]
    for (function, points), derived in zip(given, expected, strict=True):
        order, coefficients = _read_polynomial(function, len(points), where)
        difference = np.abs(coefficients @ evaluate_terms(points, order) - derived).max()
        if difference > SAME * max(1.0, float(np.abs(derived).max())):
            fix = "Remove the function: OpenSim and osimopt then derive it from the length."
            got = f"a function that differs by {difference:.2g}"
            raise InputError(explain("moment arms and speeds derived from the length function", got, fix, where))


def write_paths(geometry: PolynomialGeometry, path: str | os.PathLike[str]) -> None:
    """Write a file for OpenSim 4.6 (ModOpReplacePathsWithFunctionBasedPaths), and the fits in a .toml file.

    Each file appears whole or not at all. The paths are written first and the fits hold their checksum: after an
    interruption in between, the fits are those of other paths, and reading them warns and leaves them out.
    """
    path = Path(path)
    content = _format_paths(geometry)
    write_atomically(path, content)
    if geometry.fits or geometry.left or geometry.missed or geometry.record.known:
        write_atomically(fits_path(path), _format_fits(geometry, path.name, _digest(content)))
    else:
        fits_path(path).unlink(missing_ok=True)


def _format_paths(geometry: PolynomialGeometry) -> bytes:
    document = Element("OpenSimDocument", Version="40600")
    paths = SubElement(document, "Set_FunctionBasedPath_")
    objects = SubElement(paths, "objects")
    for p in geometry.polynomials:
        path = SubElement(objects, "FunctionBasedPath", name=p.path)
        SubElement(path, "coordinate_paths").text = " ".join(p.coordinate_paths)
        function = SubElement(SubElement(path, "length_function"), POLYNOMIAL)
        SubElement(function, "coefficients").text = " ".join(repr(float(c)) for c in p.coefficients)
        SubElement(function, "dimension").text = str(len(p.coordinate_paths))
        SubElement(function, "order").text = str(p.order)
    SubElement(paths, "groups")
    ElementTree.indent(document, "\t")
    text = ElementTree.tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" ?>\n{text}\n'.encode()


def fits_path(path: Path) -> Path:
    """File with ranges and errors of the fits of a FunctionBasedPathSet."""
    return path.with_suffix(".fit.toml")


def _format_fits(geometry: PolynomialGeometry, name_of_paths: str, digest: str) -> str:
    left, record = geometry.left, geometry.record
    lines = [f"# How {name_of_paths} was fitted: ranges in rad or m, errors on held-out postures in m."]
    lines += [f'paths_sha256 = "{digest}"', f"path_version = {record.version}"]
    lines += [f"description = {_quote(record.description)}", "", "# Paths that were fitted.", "[geometry]"]
    lines += [f"{_quote(name)} = {_quote(kind)}" for name, kind in record.geometry.items()]
    for kind, fits in (("muscles", geometry.fits), ("missed", geometry.missed)):
        for name, fit in fits.items():
            lines += ["", f"[{kind}.{_quote(name)}]", f"low = {fit.low.tolist()}", f"high = {fit.high.tolist()}"]
            lines += [f"{error} = {getattr(fit, error)!r}" for error in ERRORS]
            lines += [f"flags = {_quote(fit.flags)}"]
    if left:
        lines += ["", "# Left to OpenSim's path: by how much -dl/dq of the length is off the moment arm.", "[left]"]
        lines += [f"{_quote(name)} = {mismatch!r}" for name, mismatch in left.items()]
    return "\n".join(lines) + "\n"


def _read_fits(path: Path, names: Sequence[str]) -> tuple[dict[str, Fit], PolynomialGeometry]:
    """Fits by muscle, and what else is known of a geometry, without its polynomials."""
    beside, nothing = fits_path(path), PolynomialGeometry(())
    if not beside.is_file():
        return {}, nothing
    try:
        content = tomllib.loads(beside.read_text(encoding="utf-8"))
        if content["paths_sha256"] != _digest(path.read_bytes()):
            warn(f"{beside}: belongs to another version of {path.name}; fitted ranges and errors are not known.")
            return {}, nothing
        fits = {name: _fit(fit) for name, fit in content.get("muscles", {}).items() if name in names}
        missed = {name: _fit(fit) for name, fit in content.get("missed", {}).items() if name not in names}
        left = {name: float(mismatch) for name, mismatch in content.get("left", {}).items()}
        return fits, PolynomialGeometry((), left, PathRecord.read(content), missed)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise InputError(explain("the ranges and errors of a fit", got, "Remove it, or fit again.", beside)) from None


def _fit(content: dict[str, Any]) -> Fit:
    low, high = (np.array(content[name], dtype=np.float64) for name in ("low", "high"))
    errors = {error: float(content[error]) for error in ERRORS}
    return Fit(low, high, **errors, flags=tuple(map(str, content["flags"])))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _quote(text: str | Sequence[str]) -> str:
    """A string or list of strings in TOML, which JSON's are too."""
    return json.dumps(text, ensure_ascii=False)
