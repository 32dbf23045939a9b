"""Cutting parsed documents into citable chunks."""
