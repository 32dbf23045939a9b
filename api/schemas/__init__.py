"""Request and response bodies, named like the routes."""
