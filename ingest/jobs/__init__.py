"""Durable workflows and queues around the steps."""
