"""MocoInverse of a motion, its muscles converted to De Groote's, some of them with rigid tendons.

`python moco_oracle.py MODEL MOTION START END MESH OUT NAME ...` writes controls to OUT (.sto) and prints the objective;
muscles of the NAMEs ignore tendon compliance. Fibre damping is 0.01, and reserves are of 1 N.m.
"""

import sys

import opensim as osim

osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind


def main(model: str, motion: str, start: str, end: str, mesh: str, out: str, *rigid: str) -> None:
    steps = osim.ModelProcessor(model)
    steps.append(osim.ModOpReplaceMusclesWithDeGrooteFregly2016())
    steps.append(osim.ModOpFiberDampingDGF(0.01))
    steps.append(osim.ModOpUseImplicitTendonComplianceDynamicsDGF())
    steps.append(osim.ModOpAddReserves(1.0))
    processed = steps.process()
    for muscle in processed.getMuscles():
        if muscle.getName() in rigid:
            muscle.set_ignore_tendon_compliance(True)
    processed.finalizeConnections()
    inverse = osim.MocoInverse()
    inverse.setModel(osim.ModelProcessor(processed))
    inverse.setKinematics(osim.TableProcessor(motion))
    inverse.set_initial_time(float(start))
    inverse.set_final_time(float(end))
    inverse.set_mesh_interval(float(mesh))
    inverse.set_kinematics_allow_extra_columns(True)
    inverse.set_convergence_tolerance(1e-6)
    inverse.set_constraint_tolerance(1e-6)
    whole = inverse.solve()
    solution = whole.getMocoSolution()  # chained, the parent is freed under it
    solution.write(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
