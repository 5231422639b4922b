"""Problems kept on disk: the same back, and only for the same request."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt.adapters import cache as cache_module
from osimopt.adapters.cache import cached_path, digest
from osimopt.adapters.load import VERSIONS
from osimopt.adapters.options import FILTERED, ReadOptions
from osimopt.files.storage import write_table
from osimopt.polynomial import Fit, MusclePolynomial, PolynomialGeometry
from osimopt.polynomial.files import fits_path
from osimopt.problem.archive import read_problem, read_with_notes, write_problem
from osimopt.problem.reserves import ReserveActuators

#: Files of problems, whose names are hashes; descriptions of models are kept beside them.
PROBLEM = "[0-9a-f]" * 64 + ".npz"


def same(one: osimopt.RedundancyProblem, other: osimopt.RedundancyProblem) -> None:
    for problem in (one, other):
        assert problem.parameters is not None
        assert problem.kinematics is not None
    assert one.muscles == other.muscles
    assert one.coordinates == other.coordinates
    assert one.actuators == other.actuators
    for name in ("time", "max_force", "generalized_force", "lower", "upper", "pcsa", "weights", "passive_force"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("moment_arms", "pair_coordinate", "pair_muscle", "length", "lengthening_speed", "spanned"):
        np.testing.assert_array_equal(getattr(one.geometry, name), getattr(other.geometry, name))
    np.testing.assert_array_equal(one.reserves.effect, other.reserves.effect)
    assert one.parameters.properties.keys() == other.parameters.properties.keys()
    np.testing.assert_array_equal(one.kinematics.acceleration, other.kinematics.acceleration)


def test_a_problem_comes_back_from_its_file(two_leg: Any, tmp_path: Path) -> None:
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    again = read_problem(write_problem(problem, tmp_path / "walk.npz"))
    same(problem, again)
    assert problem.kinematics is not None
    assert again.kinematics is not None
    assert problem.kinematics.coupling is not None
    assert again.kinematics.coupling is not None
    np.testing.assert_array_equal(problem.kinematics.coupling.slope, again.kinematics.coupling.slope)
    assert again.provenance["inputs"] == problem.provenance["inputs"]
    np.testing.assert_array_equal(osimopt.solve_static(problem).activation, osimopt.solve_static(again).activation)


def test_a_problem_without_a_model_comes_back(tmp_path: Path) -> None:
    problem = osimopt.RedundancyProblem.from_arrays([[0.04, 0.02]], [500.0, 800.0], [[10.0], [12.0]], reserves=1.0)
    again = read_problem(write_problem(problem, tmp_path / "elbow.npz"))
    assert again.parameters is None
    assert again.kinematics is None
    np.testing.assert_array_equal(problem.moment_arm, again.moment_arm)


@pytest.mark.parametrize("content", [None, b"words", b""])
def test_what_is_no_problem_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(osimopt.InputError, match=r"x\.npz.*expected a problem written by osimopt"):
        read_problem(path)


def test_arrays_of_somebody_else_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(osimopt.InputError, match="without osimopt's header"):
        read_problem(tmp_path / "x.npz")


def elbow() -> osimopt.RedundancyProblem:
    return osimopt.RedundancyProblem.from_arrays([[0.04, 0.02]], [500.0, 800.0], [[10.0], [12.0]], reserves=1.0)


def test_notes_come_back(tmp_path: Path) -> None:
    _, notes = read_with_notes(write_problem(elbow(), tmp_path / "elbow.npz", warnings=["one"]))
    assert notes == {"warnings": ["one"]}


def test_a_flipped_byte_in_any_member_is_refused(tmp_path: Path) -> None:
    path = write_problem(elbow(), tmp_path / "elbow.npz")
    sound = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    assert len(members) > 5
    for number, member in enumerate(members):
        end = members[number + 1].header_offset if number + 1 < len(members) else archive.start_dir
        damaged = bytearray(sound)
        damaged[(end + member.header_offset) // 2] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(osimopt.InputError, match=r"elbow\.npz.*expected a problem written by osimopt"):
            read_problem(path)


def test_a_flipped_byte_anywhere_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    """Dates and the like of a zip's directory may change; nothing else may, and nothing may fail in another way."""
    path = write_problem(elbow(), tmp_path / "elbow.npz")
    sound, refused = path.read_bytes(), 0
    places = range(0, len(sound), 17)
    for at in places:
        damaged = bytearray(sound)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        try:
            again = read_problem(path)
        except osimopt.InputError:
            refused += 1
            continue
        np.testing.assert_array_equal(again.moment_arm, elbow().moment_arm)
        np.testing.assert_array_equal(again.max_force, elbow().max_force)
    assert refused > len(places) / 2


def rewrite_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    np.savez(path, header=np.array(json.dumps(change(header) or header)), **arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: "words",
        lambda header: [1, 2],
        lambda header: header.pop("problem") and None,
        lambda header: header.pop("notes") and None,
        lambda header: header["problem"].update(geometry={"kind": "Nothing"}),
        lambda header: header["problem"].update(geometry=3),
        lambda header: header["problem"].update(colour={"value": "red"}),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = write_problem(elbow(), tmp_path / "elbow.npz", warnings=["one"])
    rewrite_header(path, change)
    with pytest.raises(osimopt.InputError, match=r"elbow\.npz.*Extract the problem again"):
        read_problem(path)


def test_a_header_that_is_no_json_or_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, header=np.array("words"))
    with pytest.raises(osimopt.InputError, match="JSONDecodeError"):
        read_problem(path)
    np.savez(path, header=np.array(json.dumps({"format": 0})))
    with pytest.raises(osimopt.InputError, match="expected format"):
        read_problem(path)


def test_the_second_call_reads_the_cache(two_leg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    first = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, cache=cache)
    assert len(list(cache.glob(PROBLEM))) == 1

    def no_opensim(*_: object, **__: object) -> None:
        raise AssertionError("opensim was asked")

    monkeypatch.setattr("osimopt.isolation._submit", no_opensim)
    same(first, osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, cache=cache))
    with pytest.raises(AssertionError, match="opensim was asked"):
        osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, cache=cache, geometry="opensim")


def test_another_content_is_another_problem(two_leg: Any, tmp_path: Path) -> None:
    cache, motion = tmp_path / "cache", tmp_path / "motion.mot"
    motion.write_text(Path(two_leg.motion).read_text())
    osimopt.load_problem(two_leg.model, motion, cache=cache)
    osimopt.load_problem(two_leg.model, motion, cache=cache)
    assert len(list(cache.glob(PROBLEM))) == 1
    lines = motion.read_text().splitlines()
    motion.write_text("\n".join(lines[:-1]).replace(f"nRows={len(lines)}", "") + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        osimopt.load_problem(two_leg.model, motion, cache=cache)
    assert len(list(cache.glob(PROBLEM))) == 2


def test_a_broken_cache_is_made_again(two_leg: Any, tmp_path: Path) -> None:
    first = osimopt.load_problem(two_leg.model, two_leg.motion, cache=tmp_path)
    (kept,) = tmp_path.glob(PROBLEM)
    sound = kept.read_bytes()
    flipped = bytearray(sound)
    flipped[len(flipped) // 2] ^= 0x10
    for damaged in (sound[:1000], bytes(flipped)):
        kept.write_bytes(damaged)
        same(first, osimopt.load_problem(two_leg.model, two_leg.motion, cache=tmp_path))
        same(first, read_problem(kept))


def test_warnings_are_repeated(two_leg: Any, tmp_path: Path) -> None:
    table = osimopt.read_table(two_leg.motion)
    assert "knee_beta_r" in table.columns
    table["knee_beta_r"] += 1.0
    motion = write_table(table, tmp_path / "wrong.mot", in_degrees=table.attrs["in_degrees"])
    for _ in range(2):
        with pytest.warns(UserWarning, match="disagree with the model"):
            osimopt.load_problem(two_leg.model, motion, cache=tmp_path / "cache")


def test_a_file_is_no_cache(two_leg: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(osimopt.InputError, match="expected a folder for the cache"):
        osimopt.load_problem(two_leg.model, two_leg.motion, cache=tmp_path / "cache")


# ------------------------------------------------------------------------------------------------ what tells problems


@dataclass(frozen=True)
class Asked:
    """Files that only have contents, and requests for them."""

    folder: Path

    def file(self, name: str, text: str = "") -> Path:
        (self.folder / name).write_text(text or name)
        return self.folder / name

    def request(self, **changed: Any) -> ReadOptions:
        return ReadOptions(**{"model": self.file("model.osim"), "motion": self.file("motion.mot"), **changed})

    def key(self, versions: dict[str, int] | None = None, **changed: Any) -> Path:
        request = self.request(**changed)
        return cached_path(self.folder / "cache", request.files(), request.settings(), versions or VERSIONS)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def loads_of(asked: Asked) -> Path:
    asked.file("grf.mot")
    text = "<OpenSimDocument><ExternalLoads><datafile>grf.mot</datafile></ExternalLoads></OpenSimDocument>"
    return asked.file("loads.xml", text)


#: By field of ReadOptions: another value than the usual one.
CHANGED: dict[str, Callable[[Asked], Any]] = {
    "model": lambda asked: asked.file("other.osim"),
    "motion": lambda asked: asked.file("other.mot"),
    "external_loads": loads_of,
    "generalized_force": lambda asked: asked.file("moments.sto"),
    "time_range": lambda asked: (0.0, 1.0),
    "lowpass_hz": lambda asked: 6.0,
    "lowpass_loads_hz": lambda asked: 6.0,
    "lowpass_moments_hz": lambda asked: 6.0,
    "reserves": lambda asked: 10.0,
    "weld": lambda asked: ("subtalar_r",),
    "passive_force": lambda asked: True,
    "gain": lambda asked: "corrected",
    "geometry": lambda asked: "polynomial",
    "speeds": lambda asked: asked.file("speeds.sto"),
    "force_sets": lambda asked: (asked.file("reserves.xml"),),
    "replace_force_set": lambda asked: True,
    "contact": lambda asked: "off",
    "coordinates": lambda asked: ("knee_angle_l",),
    "muscles": lambda asked: "left",
    "left_out": lambda asked: "residuals",
    "joint_reactions": lambda asked: "all",
    "reactions_on": lambda asked: "parent",
    "reactions_frame": lambda asked: "child",
}


@pytest.mark.parametrize("field", [field.name for field in fields(ReadOptions)])
def test_every_field_of_a_request_tells(asked: Asked, field: str) -> None:
    """A new field fails here until it is among the files or the options."""
    written = dict.fromkeys(("reactions_on", "reactions_frame"), "joint_reactions")
    needed = {name: CHANGED[name](asked) for name in [(FILTERED | written).get(field)] if name}
    assert asked.key(**needed) == asked.key(**needed)
    assert asked.key(**needed, **{field: CHANGED[field](asked)}) != asked.key(**needed)


def test_contents_tell_and_names_do_not(asked: Asked) -> None:
    assert asked.key(motion=asked.file("copy.mot", "motion.mot")) == asked.key()
    first = asked.key(external_loads=loads_of(asked))
    asked.file("grf.mot", "others")
    request = asked.request(external_loads=asked.folder / "loads.xml")
    assert cached_path(asked.folder / "cache", request.files(), request.settings(), VERSIONS) != first


def test_numbers_of_numpy_are_numbers(asked: Asked) -> None:
    one = asked.key(time_range=(0.0, 1.0), lowpass_hz=6.0, reserves={"knee": 2.0}, weld=("a",))
    same_values = {"time_range": np.array([0.0, 1.0]), "lowpass_hz": np.float32(6.0), "weld": ["a"]}
    assert asked.key(**same_values, reserves={"knee": np.float64(2.0)}) == one
    options = asked.request(**same_values, reserves=actuators()).settings()
    assert json.loads(json.dumps(options)) == options


def test_the_order_of_reserves_tells(asked: Asked) -> None:
    assert asked.key(reserves={"a": 1.0, "b": 2.0}) != asked.key(reserves={"b": 2.0, "a": 1.0})


def test_what_cannot_be_told_is_refused(asked: Asked) -> None:
    with pytest.raises(osimopt.InputError, match="expected words, numbers and lists"):
        asked.key(reserves=object())


def actuators(frames: int = 2000) -> ReserveActuators:
    """More numbers than NumPy prints."""
    effect = np.arange(2.0 * frames).reshape(frames, 2, 1)
    return ReserveActuators(("one",), effect, np.ones(1), -np.ones(1), np.ones(1), ("reserve",))


def test_every_number_of_given_reserves_tells(asked: Asked) -> None:
    first = asked.key(reserves=actuators())
    assert asked.key(reserves=actuators()) == first
    middle = actuators()
    middle.effect[1000, 1, 0] += 1e-9
    others = [middle, replace(actuators(), names=("two",)), replace(actuators(), upper=np.full(1, 2.0))]
    assert len({first, *(asked.key(reserves=other) for other in others)}) == 4


def paths() -> PolynomialGeometry:
    fit = Fit(np.zeros(1), np.ones(1), 1e-5, 2e-5, 3e-5, 4e-5)
    return PolynomialGeometry((MusclePolynomial("/forceset/m", ("/jointset/j/a",), 1, np.array([0.3, 0.1]), fit),))


@pytest.mark.parametrize("change", [
    {"path": "/forceset/n"}, {"coordinate_paths": ("/jointset/j/b",)}, {"order": 2}, {"coefficients": np.zeros(2)},
    {"fit": None}, {"fit": Fit(np.zeros(1), np.full(1, 2.0), 1e-5, 2e-5, 3e-5, 4e-5)},
])  # fmt: skip
def test_every_field_of_given_polynomials_tells(asked: Asked, change: dict[str, Any]) -> None:
    first = asked.key(geometry=paths())
    assert asked.key(geometry=paths()) == first
    assert asked.key(geometry=PolynomialGeometry((replace(paths().polynomials[0], **change),))) != first


def test_how_paths_were_fitted_tells(asked: Asked) -> None:
    file = asked.folder / "paths.xml"
    paths().write(file)
    first = asked.key(geometry=file)
    assert asked.request(geometry=str(file)).settings()["geometry"] == "file"
    fits_path(file).write_text(fits_path(file).read_text().replace("high = [1.0]", "high = [2.0]"))
    second = asked.key(geometry=file)
    fits_path(file).unlink()
    assert len({first, second, asked.key(geometry=file)}) == 3


def test_another_extraction_is_another_problem(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked.key()
    monkeypatch.setattr(cache_module, "EXTRACTION", cache_module.EXTRACTION + 1)
    assert asked.key() != first
    keys = {asked.key({**VERSIONS, name: version + 1}) for name, version in VERSIONS.items()}
    assert len(keys | {first, asked.key()}) == len(VERSIONS) + 2


@pytest.mark.parametrize("name", ["model", "motion", "external_loads", "generalized_force", "speeds", "geometry"])
def test_a_missing_file_is_named(asked: Asked, name: str) -> None:
    with pytest.raises(osimopt.InputError, match=rf"gone: expected a file as {name}, got no such file"):
        asked.key(**{name: asked.folder / "gone"})
    if name != "geometry":
        arguments = {"model": asked.file("model.osim"), "motion": asked.file("motion.mot"), name: asked.folder / "gone"}
        with pytest.raises(osimopt.InputError, match="gone"):
            osimopt.load_problem(**arguments, cache=asked.folder / "cache")


def test_what_is_no_path_is_named(asked: Asked) -> None:
    with pytest.raises(osimopt.InputError, match="expected a file as force_set_1, got 3"):
        asked.key(force_sets=(3,))
    with pytest.raises(osimopt.InputError, match="expected a file as geometry, got 3"):
        asked.key(geometry=3)


def test_digests_differ_by_kind_and_shape() -> None:
    things = [1, 1.0, "1", True, None, (1,), ((1,),), (1, 1), np.ones(4), np.ones((2, 2)), np.ones(4, int), {"1": 1}]
    assert len({digest(thing) for thing in things}) == len(things)
    with pytest.raises(TypeError, match="a set has no digest"):
        digest((1, {2}))
