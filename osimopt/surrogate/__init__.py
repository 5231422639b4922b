"""Neural networks trained on solutions of osimopt; every result is checked, and polished or solved again if needed.

Only these modules and the device of static optimization import torch. Nothing is pickled.
"""
