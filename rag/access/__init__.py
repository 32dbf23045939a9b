"""Keys, principals and the one policy."""
