"""Code of casadi's process; call it by name through ``osimopt.isolation``."""
