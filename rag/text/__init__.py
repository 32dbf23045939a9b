"""Language detection, lexical analysis, sentence splitting and normalisation, Korean and English."""
