"""Calls to model servers inside the network: retries, deadlines, circuit breakers."""
