"""CPU kernels in Numba: one file per family; importing them compiles nothing."""
