"""The nouns of Seogo: frozen dataclasses and errors, standard library only."""
