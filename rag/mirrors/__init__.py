"""Mirrors of repositories: bare clones that git keeps, read without a working tree."""
