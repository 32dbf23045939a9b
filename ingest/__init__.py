"""Ingestion: from a file to searchable chunks, durably."""
