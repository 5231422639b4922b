"""Studies: what needs several solvers or many problems."""
