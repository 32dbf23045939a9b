"""Originals by content hash, and files derived from them."""
