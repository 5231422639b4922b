"""Static optimization of a walk beside its EMG, two costs, one report: python scripts/validate_emg.py [OUT.html]."""

import sys

import osimopt


def main() -> None:
    """Fetch, solve, compare, report."""
    data = osimopt.fetch("walk_treadmill_emg")
    problem = osimopt.load_problem(
        data / "Rajagopal_scaled_Sub1_gasAvoid.osim", data / "results_ik.sto",
        generalized_force=data / "results_id.sto", lowpass_hz=6.0, time_range=(0.0, 20.0),
    )  # fmt: skip
    emg = osimopt.read_emg(data / "EMG_allMuscles.sto", amplitude="mvc")
    strides = osimopt.find_strides(data / "walking_baseline1_forces.mot", side="l")
    solutions = {f"p = {p}": osimopt.solve_static(problem, exponent=p) for p in (2, 3)}
    compared = {
        name: osimopt.compare_emg(one, emg, "Rajagopal2016", strides=strides) for name, one in solutions.items()
    }
    for name, one in compared.items():
        print(name, one.table[["r", "lag", "r_delay"]].round(2), *one.findings(), "", sep="\n")
    print(osimopt.write_report(solutions, sys.argv[1] if sys.argv[1:] else "walk.html", emg=compared))


if __name__ == "__main__":
    main()
