"""Tools for language models: the Model Context Protocol at `/mcp`, and the same tools as plain HTTP under `/tools`."""
