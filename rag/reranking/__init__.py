"""Rerankers: a cross-encoder's second look at what retrieval found."""
