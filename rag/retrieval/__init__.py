"""From a question to permitted, ranked passages."""
