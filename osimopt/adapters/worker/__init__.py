"""Modules that run in opensim's process. Never import them elsewhere: they import opensim."""
