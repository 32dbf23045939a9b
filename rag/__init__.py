"""Retrieval and answering: everything that can be done with documents that are in the store."""
