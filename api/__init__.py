"""The ways in: HTTP, the OpenAI surface and the command line."""
