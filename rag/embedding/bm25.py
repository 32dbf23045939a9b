"""temporary"""
import zlib
from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
def term_id(t): return zlib.crc32(t.encode())
class KiwiBm25Embedder:
    name="kiwi-bm25/tmp"; dimensions=None; max_tokens=600; languages=frozenset(Language)
    def __init__(self, analyzer): self.a=analyzer
    def count_tokens(self, texts): return [x.length for x in self.a.analyze_batch(texts)]
    def embed(self, texts, role):
        out=[]
        for x in self.a.analyze_batch(texts):
            d={}
            for t,f in x.terms.items():
                v = f if role is Role.QUERY else f*2.2/(f+1.2*(0.25+0.75*x.length/150))
                d[term_id(t)]=d.get(term_id(t),0)+v
            out.append(SparseVector(tuple(d),tuple(d.values())))
        return Embeddings(sparse=tuple(out))
