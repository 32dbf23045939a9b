"""One parser per format, run in a sandbox."""
