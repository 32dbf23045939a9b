"""What several tests need: a throw-away PostgreSQL, and services built for a test."""
