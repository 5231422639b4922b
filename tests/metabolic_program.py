"""The program's objective with a metabolic term, and its gradient: against NumPy's integrals and differences.

For a process of its own, as it imports casadi.
"""

import numpy as np
from limb_cases import limb

from osimopt.dynamic.assemble import assemble, split
from osimopt.dynamic.mesh import Mesh, scheme
from osimopt.dynamic.metabolic import MetabolicCost
from osimopt.dynamic.nodes import Nodes, Unknowns
from osimopt.dynamic.objective import Conditions, dynamic_cost, integrands, start_cost
from osimopt.dynamic.terms import cost_scale
from osimopt.dynamic.worker.derivatives import Derivatives

problem, random = limb(31), np.random.default_rng(5)
mesh = Mesh.uniform(scheme("hermite-simpson"), 0.0, 0.4, 0.05)
for elastic in (True, False, np.arange(5) % 2 == 0):
    for probe in ("bhargava2004", "umberger2010"):
        nodes = Nodes.of(problem, mesh, elastic, None)
        metabolic = MetabolicCost(probe, 3.0, body_mass=70.0)
        conditions = Conditions(dynamic_cost("excitation_power", 2, "compliant"), metabolic=metabolic)
        shape = len(mesh.time), 5
        e, a = random.uniform(0.05, 0.9, (2, *shape))
        f, r = random.uniform(0.1, 0.6, shape) * nodes.elastic, random.uniform(-3.0, 3.0, shape) * nodes.elastic
        guess = Unknowns(
            a, e, f, r, random.uniform(-0.1, 0.1, (len(mesh.time), len(problem.reserves.names))), np.zeros(0)
        )
        total = sum(float(mesh.quadrature @ v) for v in integrands(nodes, conditions, guess).values())
        total += start_cost(nodes, conditions, guess)
        theirs = 0.0
        for part in split(problem, conditions):
            layout, program = assemble(nodes, conditions, part, guess)
            own = Derivatives(program)
            x = guess.into(layout)
            theirs += float(own.nlp()(x, [])[0]) / cost_scale(nodes, conditions, guess)
            grad = np.array(own.options()["grad_f"](x, [])[1]).ravel()
            d = random.standard_normal(len(x)) * 1e-6
            num = float(own.nlp()(x + d, [])[0] - own.nlp()(x - d, [])[0]) / 2
            assert abs(num - grad @ d) <= 1e-5 * np.abs(grad) @ np.abs(d), (num, grad @ d)
        assert abs(theirs - total) <= 1e-12 * total, (theirs, total)
