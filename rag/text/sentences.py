"""temporary"""
import re
def split_sentences(text, language):
    return [(m.start(), m.end()) for m in re.finditer(r"[^\n]+?(?:(?<=[다요음])\.|[.?!](?=\s)|(?=\n)|$)", text) if m[0].strip()]
