"""Fixtures shared by the tests; what needs real data skips with the reason."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch: the tests run beside each other already

import atexit
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osimopt.datasets import Example, arm26

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

#: Beginning of the name of the folder of descriptions that the processes of a run share.
SHARED = "osimopt-tests-"
if not Path(os.environ.get("OSIMOPT_CACHE", "")).name.startswith(SHARED):
    os.environ["OSIMOPT_CACHE"] = tempfile.mkdtemp(prefix=SHARED)
    atexit.register(shutil.rmtree, os.environ["OSIMOPT_CACHE"], ignore_errors=True)


@dataclass(frozen=True)
class TwoLeg:
    """The small two-leg model that the tests build through the OpenSim API."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "two_leg.osim"

    @property
    def bare(self) -> Path:
        return self.folder / "two_leg_bare.osim"

    @property
    def motion(self) -> Path:
        return self.folder / "motion.mot"

    @property
    def loads(self) -> Path:
        return self.folder / "external_loads.xml"

    @property
    def grf(self) -> Path:
        return self.folder / "grf.mot"


def run_script(script: Path, *arguments: object, cwd: Path) -> None:
    """Run one of the tests' own OpenSim scripts in a process of its own."""
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    command = [sys.executable, str(script), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def two_leg(tmp_path_factory: pytest.TempPathFactory) -> TwoLeg:
    folder = tmp_path_factory.mktemp("two_leg")
    run_script(HERE / "two_leg.py", folder, cwd=folder)
    return TwoLeg(folder)


@pytest.fixture(scope="session")
def oracle(two_leg: TwoLeg) -> dict[str, np.ndarray]:
    """What OpenSim's own API and tools say of the two-leg model along its motion."""
    out = two_leg.folder / "oracle.npz"
    script = HERE / "opensim_oracle.py"
    run_script(script, two_leg.model, two_leg.motion, out, "--loads", two_leg.loads, cwd=two_leg.folder)
    with np.load(out) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def short_self_check() -> Iterator[None]:
    """The check of a model against OpenSim takes 50 postures, half a second or more: here others judge, and 5 do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osimopt.adapters.selfcheck.POSTURES", 5)
        patch.setattr("osimopt.adapters.selfcheck.SLOPES", 2)
        yield


@pytest.fixture(scope="session")
def arm() -> Example:
    return arm26()


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """``osimopt`` with these words in this process, as the shell would run it."""
    from osimopt.cli import main

    def _call(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["osimopt", *map(str, words)])
        monkeypatch.setattr("osimopt.cli.terminal._warned", set())  # as in a new process
        with pytest.raises(SystemExit) as exited:
            main()
        code = exited.value.code
        assert code is None or isinstance(code, int)
        return Done(code or 0, *capfd.readouterr())

    return _call


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved, in order."""
    from osimopt.report import style

    kept: list[Any] = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, path: kept.append(figure) or save(figure, path))
    return kept


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the public models and motions that cannot be part of this project."""
    candidates = [os.environ.get("OSIMOPT_DATA"), ROOT.parent / "shared" / "data"]
    for candidate in candidates:
        if candidate and Path(candidate).is_dir():
            return Path(candidate)
    pytest.skip("needs public models and motions: set OSIMOPT_DATA to their folder")
