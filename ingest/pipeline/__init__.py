"""The steps of ingestion, each safe to repeat."""
