"""Muscle paths in arrays: lengths and moment arms of paths that are tangent to all objects they wrap over."""
