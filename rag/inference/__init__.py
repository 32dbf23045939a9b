"""How models run in this process: packed batches of many callers on lanes of threads. Knows no framework."""
