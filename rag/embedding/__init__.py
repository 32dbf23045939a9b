"""Embedders: one file per backend, found through `registry`."""
