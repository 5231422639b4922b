"""From OpenSim's files to plain arrays; the only part of osimopt that uses opensim.

The modules here run in the user's process and never import opensim; those in ``worker`` run in opensim's process,
called by name through ``osimopt.isolation``.
"""
