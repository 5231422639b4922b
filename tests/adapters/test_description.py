"""A model described in plain arrays: against OpenSim's own frames, points and functions, and through its file."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import version
from pathlib import Path as File
from typing import Any

import numpy as np
import pytest
import tree_reference
from conftest import HERE, run_script
from mechanics_cases import describe
from numpy.typing import NDArray

from osimopt import load_problem
from osimopt.adapters import mechanics
from osimopt.adapters.cache import as_folder, digest, model_folder
from osimopt.adapters.mechanics import read_described, read_description, write_description
from osimopt.adapters.model import identify
from osimopt.datasets import Example
from osimopt.errors import InputError
from osimopt.multibody.description import Constraint, Functions, Multibody
from osimopt.paths.description import Path, Paths

#: Rounding of a chain of ten frames, where functions extrapolate by 4 rad: m, and shares of unit vectors.
ROUNDING = 1e-12
#: Rounding of functions, as a share of their largest value among the arguments.
EXACT = 1e-12
FEW = (
    "joint_scapulothoracic", "backward_free", "functions_shift_1", "points_gimbal", "wraps_free",
    "held_gimbal_coupled", "constrained", "random_1", "random_16", "random_104",
)  # fmt: skip
NOT_DESCRIBED = (
    "joint_curvature", "misjudged_turn_ExpressionBasedFunction", "coupled_MultivariatePolynomialFunction", "own_length",
    "moving_in_offset",
)  # fmt: skip
#: Cases of the zoo that differ from the others in nothing that is described here.
LIKE_OTHERS = ("300_muscles", "no_muscle", "geodesics", "muscle_Millard2012AccelerationMuscle")
Judged = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> File:
    """Folder of a few models and what OpenSim says of them."""
    folder = tmp_path_factory.mktemp("few")
    run_script(HERE / "mechanics_oracle.py", folder, 4, 1.5, *FEW, *NOT_DESCRIBED, "functions", cwd=folder)
    return folder


def judged(folder: File, name: str) -> Judged:
    with np.load(folder / f"{name}.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", FEW)
def test_frames_points_and_constraints_are_those_of_opensim(few: File, name: str) -> None:
    compare(*describe(few / f"{name}.osim"), judged(few, name))


@pytest.mark.slow
def test_every_model_of_the_built_set_and_random_ones(tmp_path: File) -> None:
    listed = tmp_path / "names"
    run_script(HERE / "mechanics_oracle.py", tmp_path, 0, 0.0, f"--list={listed}", cwd=tmp_path)
    cases = [name for name in listed.read_text().split() if name not in LIKE_OTHERS and not name.startswith("muscle_")]
    cases += [f"random_{seed}" for seed in range(200, 240)]
    run_script(HERE / "mechanics_oracle.py", tmp_path, 4, 1.5, *cases, cwd=tmp_path)
    for name in cases:
        compare(*describe(tmp_path / f"{name}.osim"), judged(tmp_path, name))


@pytest.mark.slow
def test_real_models(real_data: File, tmp_path: File) -> None:
    models = sorted(real_data.glob("*/*.osim"))
    run_script(HERE / "mechanics_oracle.py", tmp_path, 4, 1.5, *models, cwd=tmp_path)
    for model in models:
        multibody, paths = describe(model)
        assert not multibody.asked
        assert not paths.asked
        compare(multibody, paths, judged(tmp_path, model.stem))


def compare(multibody: Multibody, paths: Paths, opensim: Judged) -> None:
    """Frames, points, wrap objects, couplers and constraints in all postures, of all that is not ``asked``."""
    muscles = {path.name: path for path in paths.muscles if path is not None}
    objects = {found.name: found for found in paths.objects}
    for row, q in enumerate(opensim["q"]):
        frames = tree_reference.frames(multibody, q)
        known = np.isfinite(frames).all(axis=(1, 2))
        assert known.all() or multibody.asked
        for body, theirs in zip(opensim["bodies"], opensim["frame"][row], strict=True):
            index = multibody.tree.bodies.index(body)
            assert not known[index] or np.abs(frames[index] - theirs).max() < ROUNDING, body
        for name, path in muscles.items():
            mine = opensim["points"] == name
            expected, active = opensim["point"][row][mine], opensim["active"][row][mine]
            within = (path.range[:, 0] <= q[path.condition]) & (q[path.condition] <= path.range[:, 1])
            assert ((~path.conditional | within) == active).all(), name
            there = [frames[body] @ [*place(multibody, path, i, q), 1.0] for i, body in enumerate(path.body)]
            off = np.abs(np.array(there)[:, :3] - expected)[known[path.body]]
            assert off.max(initial=0.0) < ROUNDING, name
        for name, theirs in zip(opensim["wraps"], opensim["wrap"][row], strict=True):
            wrap = objects.get(name)
            assert wrap is None or not np.abs(frames[wrap.body] @ wrap.frame - theirs).max() > ROUNDING, name
        for constraint in multibody.constraints:
            theirs = opensim["missed"][opensim["constraints"].tolist().index(constraint.name), row]
            close(missed(constraint, frames), theirs[np.isfinite(theirs)])
    for coupler in multibody.couplers:
        theirs = opensim["coupled"][opensim["couplers"].tolist().index(coupler.name)]
        close([tree_reference.value(multibody.functions, coupler.function, x) for x in opensim["x"]], theirs)


def place(multibody: Multibody, path: Path, row: int, q: np.ndarray) -> list[float]:
    """Where a point is on its body."""
    found = []
    for axis in range(3):
        function, mover = path.mover_function[row, axis], path.mover[row, axis]
        x = q[mover] if mover >= 0 else 0.0
        moved = tree_reference.value(multibody.functions, function, x)
        found.append(moved if function >= 0 else path.place[row, axis])
    return found


def missed(constraint: Constraint, frames: np.ndarray) -> np.ndarray:
    """Position errors as Simbody has them, up to the axes in which it writes a vector."""
    ends = [frames[body] @ frame for body, frame in zip(constraint.bodies, constraint.frames, strict=True)]
    between = np.linalg.inv(ends[0]) @ ends[1]
    away = between[:3, 3]
    if constraint.kind == "distance":
        return np.array([np.linalg.norm(away) - constraint.number])
    if constraint.kind == "line":
        return np.array([np.linalg.norm(away[:2])])
    turned = [between[1, 0], between[2, 1], between[0, 2]] if constraint.kind == "weld" else []
    return np.array([*turned, np.linalg.norm(away)])


def close(mine: Any, theirs: np.ndarray) -> None:
    """Equal to rounding; the last of ``mine`` may be the length of the vector that ends ``theirs``."""
    mine = np.array(mine)
    if len(theirs) > len(mine):
        theirs = np.append(theirs[: len(mine) - 1], np.linalg.norm(theirs[len(mine) - 1 :]))
    assert np.abs(mine - theirs).max(initial=0.0) < ROUNDING


# -- functions --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def functions(few: File) -> Judged:
    return judged(few, "functions")


def test_functions_are_those_of_opensim_within_and_beyond_their_knots(functions: Judged) -> None:
    described = Functions(*(functions[field.name] for field in fields(Functions)))
    for name, row, x, theirs in zip(*(functions[key] for key in ("names", "row", "x", "value")), strict=True):
        mine = np.array([tree_reference.value(described, row, one) for one in x])
        assert np.abs(mine - theirs).max() < EXACT * max(1.0, np.abs(theirs).max()), name


def test_functions_that_differ_in_the_ninth_digit_are_two(functions: Judged) -> None:
    names = functions["names"].tolist()
    assert functions["row"][names.index("close_0")] != functions["row"][names.index("close_1")]


def test_functions_that_are_not_polynomials_are_refused_by_class(functions: Judged) -> None:
    curves = {"ActiveForceLengthCurve", "ForceVelocityCurve", "TendonForceLengthCurve", "ExpressionBasedFunction"}
    why = dict(zip(functions["refused"].tolist(), functions["why"].tolist(), strict=True))
    assert curves < set(why)
    assert why["too_short"] == "OpenSim cannot evaluate its GCVSpline"
    assert why["ExpressionBasedFunction"] == "its function is of class ExpressionBasedFunction"


# -- what OpenSim has to be asked for ---------------------------------------------------------------------------------


def test_what_is_not_described_is_named(few: File) -> None:
    asked = {}
    for name in NOT_DESCRIBED:
        multibody, paths = describe(few / f"{name}.osim")
        compare(multibody, paths, judged(few, name))
        asked[name] = {one.name: one.why for one in multibody.asked} | paths.asked
    assert asked == {
        "joint_curvature": {"base": "it is of class ConstantCurvatureJoint"},
        "misjudged_turn_ExpressionBasedFunction": {"joint_0": "its function is of class ExpressionBasedFunction"},
        "coupled_MultivariatePolynomialFunction": {"ankle_follows": "its function is of 2 coordinates"},
        "own_length": {"by_function": "its path is of class FunctionBasedPath"},
        "moving_in_offset": {"moves": "its MovingPathPoint 'mover' is in an offset frame"},
    }
    multibody, paths = describe(few / "joint_curvature.osim")
    assert np.isnan(tree_reference.frames(multibody, np.zeros(len(multibody.coordinates)))[1:]).all()
    multibody, paths = describe(few / "own_length.osim")
    assert [path is None for path in paths.muscles].count(True) == 1


# -- the file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known from earlier tests."""
    monkeypatch.setattr(mechanics, "_known", {})
    monkeypatch.setattr(mechanics, "_kept", set())


@pytest.mark.parametrize("name", ["wraps_free", "points_gimbal", "constrained", "held_gimbal_coupled", "random_1"])
def test_a_description_comes_back_from_its_file_bit_by_bit(few: File, tmp_path: File, name: str) -> None:
    key = identify(few / f"{name}.osim")
    before = read_described(key)
    after = read_description(write_description(before, key, tmp_path / "kept.npz"), key)
    assert digest(after) == digest(before)
    assert [type(part) for part in leaves(after)] == [type(part) for part in leaves(before)]


def leaves(thing: Any) -> Iterator[Any]:
    """Everything in dataclasses, tuples and dictionaries."""
    parts = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, tuple) else ()
    if is_dataclass(thing):
        parts = (getattr(thing, field.name) for field in fields(thing))
    yield thing
    for part in parts:
        yield from leaves(part)


OTHERS: dict[str, tuple[Callable[[Any, File], Any], str]] = {
    "another model": (lambda key, other: identify(other), "a description with model"),
    "welds": (lambda key, other: replace(key, weld=("knee_joint",)), "welds knee_joint, got welds none"),
    "contact": (lambda key, other: replace(key, contact=False), "contact False, got contact True"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_description_of_another_model_is_refused(few: File, tmp_path: File, what: str) -> None:
    key = identify(few / "wraps_free.osim")
    path = write_description(read_described(key), key, tmp_path / "kept.npz")
    changed, expected = OTHERS[what]
    with pytest.raises(InputError, match=expected) as raised:
        read_description(path, changed(key, few / "random_1.osim"))
    assert str(path) in str(raised.value)


def test_a_description_of_another_format_or_opensim_is_refused(
    few: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = identify(few / "wraps_free.osim")
    path = write_description(read_described(key), key, tmp_path / "kept.npz")
    with monkeypatch.context() as patch:
        patch.setattr(mechanics, "FORMAT", mechanics.FORMAT + 1)
        with pytest.raises(InputError, match=f"format {mechanics.FORMAT}, got format {mechanics.FORMAT - 1}"):
            read_description(path, key)
    for name in ("osimopt", "opensim"):
        with monkeypatch.context() as patch:
            patch.setattr(mechanics, "version", lambda one, name=name: "4.7" if one == name else version(one))
            with pytest.raises(InputError, match=rf"{name} 4\.7, got {name} {version(name)}"):
                read_description(path, key)


def test_a_damaged_description_is_refused(few: File, tmp_path: File) -> None:
    key = identify(few / "random_1.osim")
    path = write_description(read_described(key), key, tmp_path / "kept.npz")
    whole, intact = path.read_bytes(), digest(read_described(key))
    random = np.random.default_rng(0)
    for place_of_byte in random.integers(0, len(whole), 20):
        broken = bytearray(whole)
        broken[place_of_byte] ^= 0x55
        path.write_bytes(broken)
        try:
            found = read_description(path, key)
        except InputError:
            continue
        assert digest(found) == intact
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        read_description(path, key)
    with pytest.raises(InputError, match="no such file"):
        read_description(tmp_path / "none.npz", key)


@pytest.mark.usefixtures("forgetful")
def test_a_description_is_kept_and_recalled_by_hash(few: File, tmp_path: File, asked: list[str]) -> None:
    key, folder = identify(few / "random_1.osim"), tmp_path / "cache"
    first = read_described(key, folder)
    (kept,) = folder.iterdir()
    mechanics._known.clear()
    again = read_described(key, folder)
    assert len(asked) == 1
    assert digest(again) == digest(first)
    mechanics._known.clear()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-100])
    read_described(key, folder)
    assert len(asked) == 2
    assert len(kept.read_bytes()) == len(whole)
    assert read_described(key) is read_described(key, folder)
    read_described(key, tmp_path / "another")  # known in the process, but not there
    assert [path.read_bytes() for path in (tmp_path / "another").iterdir()] == [kept.read_bytes()]
    assert len(asked) == 2


@pytest.mark.usefixtures("forgetful")
def test_a_description_of_an_older_version_is_replaced(
    few: File, tmp_path: File, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = identify(few / "random_1.osim")
    with monkeypatch.context() as patch:
        patch.setattr(mechanics, "version", lambda name: "0.0.1")
        read_described(key, tmp_path)
    read_described(key, tmp_path)
    assert len(asked) == 2
    (kept,) = tmp_path.iterdir()
    read_description(kept, key)


@pytest.mark.usefixtures("forgetful")
def test_a_model_without_contact_is_described_once(few: File, tmp_path: File, asked: list[str]) -> None:
    """Its contact with the ground is switched off where loads are given; it has none."""
    key = identify(few / "random_1.osim")
    first = read_described(key, tmp_path)
    mechanics._known.clear()
    assert digest(read_described(replace(key, contact=False), tmp_path)) == digest(first)
    assert len(asked) == 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Functions that OpenSim's process is asked for."""
    names: list[str] = []
    run = mechanics.isolation.run
    monkeypatch.setattr(mechanics.isolation, "run", lambda *args, **kw: names.append(args[1]) or run(*args, **kw))
    return names


@pytest.mark.usefixtures("forgetful")
def test_a_model_that_changes_meanwhile_is_not_kept(few: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.osim"
    path.write_bytes((few / "random_1.osim").read_bytes())
    run = mechanics.isolation.run

    def changing(*arguments: Any, **named: Any) -> Any:
        path.write_text(path.read_text() + "<!-- saved again -->")
        return run(*arguments, **named)

    monkeypatch.setattr(mechanics.isolation, "run", changing)
    with pytest.raises(InputError, match="changed meanwhile"):
        read_described(identify(path), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("geometry", ["exact", "opensim"])
@pytest.mark.usefixtures("short_self_check")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_edits_that_keep_size_and_time_are_seen(arm: Example, tmp_path: File, geometry: str) -> None:
    """In the model, and in a file that it includes."""
    text = arm.model.read_text()
    start, end = text.index("<BodySet"), text.index("</BodySet>") + len("</BodySet>")
    old = re.findall(r"<mass>([^<]*)</mass>", text[start:end])[-1]
    bodies = text[start:end], text[start:end].replace(old, f"3{old[1:]}")
    document = '<?xml version="1.0"?><OpenSimDocument Version="40000">{}</OpenSimDocument>'
    included = f'{text[:start]}<BodySet file="bodies.xml"/>{text[end:]}'

    def moments(model: File) -> NDArray[np.float64]:
        return load_problem(model, arm.motion, time_range=(0.1, 0.2), geometry=geometry).generalized_force

    def rewrite(path: File, text: str) -> None:
        before = path.stat()
        path.write_text(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size

    whole, parts, part = tmp_path / "whole.osim", tmp_path / "parts.osim", tmp_path / "bodies.xml"
    whole.write_text(text)
    parts.write_text(included)
    part.write_text(document.format(bodies[0]))
    before = moments(whole)
    np.testing.assert_allclose(moments(parts), before, rtol=1e-12)
    rewrite(whole, text[:start] + bodies[1] + text[end:])
    rewrite(part, document.format(bodies[1]))
    after = moments(whole)
    assert np.abs(after - before).max() > 1.0
    np.testing.assert_allclose(moments(parts), after, rtol=1e-12)


def test_words_for_the_folder_of_descriptions(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_folder("~/kept") == tmp_path / "kept"
    for wrong in (3, b"kept", "", " "):
        with pytest.raises(InputError, match="expected a folder for the cache, got"):
            as_folder(wrong)  # type: ignore[arg-type]
    monkeypatch.setenv("OSIMOPT_CACHE", __file__)
    with pytest.raises(InputError, match="Set OSIMOPT_CACHE to another folder, or to nothing"):
        model_folder()


def test_the_folder_of_descriptions(few: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """That named, of the environment, or the user's own; only the last may be one that cannot be written."""
    assert model_folder(tmp_path) == tmp_path
    monkeypatch.setenv("OSIMOPT_CACHE", str(tmp_path / "shared"))
    assert model_folder() == tmp_path / "shared"
    monkeypatch.setenv("OSIMOPT_CACHE", "")
    assert model_folder() is None
    key, none = identify(few / "random_1.osim"), tmp_path / "file"
    none.write_text("not a folder")
    monkeypatch.setattr(mechanics, "_kept", set())
    for folder in (none, none / "below"):
        with pytest.raises(InputError, match="expected a folder for the cache that can be written, got"):
            read_described(key, folder)
        monkeypatch.setenv("OSIMOPT_CACHE", str(folder))
        with pytest.raises(InputError, match="expected a folder for the cache that can be written, got"):
            read_described(key)
    monkeypatch.delenv("OSIMOPT_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "own" / name)
    read_described(key)
    assert [path.suffix for path in (tmp_path / "own" / "osimopt").iterdir()] == [".npz"]
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: none / name)
    read_described(key)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: File("~") / name)  # a user without a home
    assert model_folder() is None


def test_a_description_is_read_while_others_write_it(few: File, tmp_path: File) -> None:
    key = identify(few / "random_1.osim")
    described, path = read_described(key), tmp_path / "kept.npz"
    write_description(described, key, path)

    def both(_: int) -> bool:
        write_description(described, key, path)
        return digest(read_description(path, key)) == digest(described)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(both, range(12)))
    assert [one.name for one in tmp_path.iterdir()] == ["kept.npz"]


def test_nothing_of_the_machine_stands_in_a_description(few: File, tmp_path: File) -> None:
    for path in (*few.glob("*.osim"), *(HERE.parent / "models").rglob("*.osim")):
        key = identify(path)
        kept = write_description(read_described(key), key, tmp_path / "kept.npz")
        header = np.load(kept)["header"].item()
        for place in (few, path.parent, File(tempfile.gettempdir()), File.home()):
            assert str(place) not in header, path.name
