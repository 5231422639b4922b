"""What runs in casadi's own process; called by name only, through ``osimopt.isolation``."""
