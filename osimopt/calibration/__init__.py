"""Muscles of a person calibrated from motion, moments and EMG."""
