"""Generators: what turns passages into the sentences of an answer."""
