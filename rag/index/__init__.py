"""Vector indexes: one file per backend, found through `registry`."""
