"""Multibody dynamics in arrays against OpenSim in random states: a table of the largest differences of every model.

usage: python scripts/benchmarks/arrays_against_opensim.py [--states 20] [MODEL.osim ...]

Without models, all small ones of the tests are compared and those in OSIMOPT_DATA. Differences are shares of the
largest number of their kind.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from multibody_differences import dynamics, kinematics, reaction  # noqa: E402

from osimopt.errors import ModelError  # noqa: E402
from osimopt.multibody import reactions  # noqa: E402

#: Small models whose files the tests' own scripts write.
NAMES = "import model_zoo, loop_models; print(*model_zoo.CASES, *loop_models.MODELS)"


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python beside the tests, in a process that may import opensim."""
    environment = {**os.environ, "LD_LIBRARY_PATH": "", "PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--states", type=int, default=20)
    options = parser.parse_args()
    reactions._refuse_loose = lambda *_: None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = [str(Path(model).resolve()) for model in options.models]
        if not models:
            data = sorted(Path(os.environ.get("OSIMOPT_DATA", "/nowhere")).glob("*/*.osim"))
            models = [*python("-c", NAMES, folder=folder).stdout.split(), *map(str, data)]
        worst: dict[str, float] = {}
        for model in models:
            path = Path(model) if model.endswith(".osim") else folder / f"{model}.osim"
            done = python(str(TESTS / "multibody_oracle.py"), name, str(options.states), model, folder=folder)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                print(f"{path.stem:45} OpenSim: {last}"[:150], flush=True)
                continue
            with np.load(folder / f"{path.stem}.npz") as file:
                says = dict(file)
            try:
                found = kinematics(path, says) | dynamics(path, says)
                found |= reaction(path, says) if "reacting_at" in says else {}
            except ModelError as error:
                print(f"{path.stem:45} {error}"[:150], flush=True)
                continue
            for kind, size in found.items():
                worst[kind] = max(worst.get(kind, 0.0), size)
            columns = (f"{kind} {found[kind]:.0e}" for kind in found)
            print(f"{path.stem:45}", *columns, flush=True)
        print("\nlargest of all models")
        for kind, size in worst.items():
            print(f"{kind:20} {size:.1e}")


if __name__ == "__main__":
    main()
