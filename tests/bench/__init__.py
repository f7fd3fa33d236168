"""Benchmarks: every figure beside a yardstick that was measured in the same run."""
