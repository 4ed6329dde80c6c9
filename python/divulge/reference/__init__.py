"""Plain NumPy twins of the compiled core: what tests compare it with, and the baseline of benchmarks."""
