"""A model's bodies, joints, constraints and forces in arrays: kinematics and dynamics of many frames at once."""
