"""Dynamic optimization: muscle forces over an interval, by direct collocation.

``worker`` is the only code that imports casadi; it runs in a separate process.
"""
