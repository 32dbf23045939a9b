"""Doors in the shape that other products call their sources by, one file per product."""
