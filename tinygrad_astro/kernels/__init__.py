"""Kernels: loops over raw arrays, output first; one folder per device with the same names."""
