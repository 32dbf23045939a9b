"""Benchmarks: commands that compare with a peer in the same run and print a ratio or a measured quality."""
