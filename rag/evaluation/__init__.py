"""Retrieval quality: measures, reports, gates, and what is tuned by them."""
