"""Options are declared once: signatures, flags, study keys and docstrings follow the declarations."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import osimopt
from osimopt import InputError
from osimopt.adapters.options import ReadOptions
from osimopt.batch import study
from osimopt.cli import make_app
from osimopt.datasets import arm26
from osimopt.dynamic.options import DynamicOptions
from osimopt.options import declared
from osimopt.pipeline.options import METHODS, read_solve_options
from osimopt.static.options import StaticOptions

#: Arguments of the functions that are not options of a trial.
ARGUMENTS = {
    "device", "problem", "on_failure", "progress", "on_window", "n_jobs", "cache", "checkpoint", "time_range", "emg",
}  # fmt: skip
PAIRS = [
    (osimopt.load_problem, ReadOptions),
    (osimopt.solve_static, StaticOptions),
    (osimopt.solve_dynamic, DynamicOptions),
]


@pytest.mark.parametrize(("function", "options"), PAIRS, ids=lambda own: own.__name__)
def test_functions_take_the_declared_options(function: Any, options: type) -> None:
    given = {name: own.default for name, own in inspect.signature(function).parameters.items()}
    ours = {own.name: own.default for own in fields(options)}
    missing = ARGUMENTS | ({"initial_guess"} if options is StaticOptions else set())
    assert set(given) - set(ours) <= missing
    assert {name: given[name] for name in declared(options)} == {name: ours[name] for name in declared(options)}


def test_paths_are_exact_by_default_but_in_the_tool_of_opensim() -> None:
    """In Python, on the command line and in studies, which have no default of their own."""
    functions = (osimopt.load_problem, osimopt.muscle_table, osimopt.fit_geometry, osimopt.fit_geometry_network)
    defaults = [inspect.signature(function).parameters["geometry"].default for function in functions]
    assert defaults == ["exact"] * len(functions)
    assert inspect.signature(osimopt.run_setup).parameters["geometry"].default == "opensim"
    commands = get_command(make_app()).commands
    flags = {
        name: [param.default for param in own.params if param.name == "geometry"] for name, own in commands.items()
    }
    own = {"table": ["exact"], "fit-geometry": ["exact"], "run": ["opensim"]}
    assert {name: default for name, default in flags.items() if default and default != [None]} == own
    assert {"solve", "extract", "train", "predict", "validate"} <= {
        name for name, one in flags.items() if one == [None]
    }
    assert study.Files().geometry is None


def test_docstrings_list_the_declared_options() -> None:
    text = osimopt.load_problem.__doc__ or ""
    for name, (own, known) in declared(ReadOptions).items():
        assert f"\n{name} : {own.type}" in text
        assert " ".join(known.help.split()[:4]) in text
    assert "{options}" not in text


def test_every_option_with_a_type_for_the_shell_is_a_flag() -> None:
    flags = {name: param.opts for param in get_command(make_app()).commands["solve"].params for name in [param.name]}
    for options in (ReadOptions, *METHODS.values()):
        for name, (_, known) in declared(options).items():
            if known.shell is not None:
                assert flags[name] == list(known.flags or ("--" + name.replace("_", "-"),))


def test_every_option_is_a_key_of_a_study() -> None:
    assert set(study.Files.model_fields) == {*declared(ReadOptions), "emg", "emg_shift", "emg_clock_rate", "strides"}
    for model, options in zip((study.Static, study.Dynamic, study.BySurrogate), METHODS.values(), strict=True):
        assert set(model.model_fields) == {*declared(options), "name", "method"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "magic"}, "method among static, dynamic, surrogate, got 'magic'"),
        ({"mesh_interval": 0.1}, r"options of the static method among cost, .*, got mesh_interval"),
    ],
)
def test_options_of_no_method(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_solve_options(given)


@pytest.mark.parametrize("times", [5, (0.1,), ("a", "b")])
def test_a_time_range_of_dynamic_optimization_is_two_numbers(tmp_path: Path, times: Any) -> None:
    arm = arm26()
    with pytest.raises(InputError, match=r"expected time_range=\(start, end\) in s, got "):
        osimopt.solve_to_folder(tmp_path / "out", arm.model, arm.motion, time_range=times, solve={"method": "dynamic"})
