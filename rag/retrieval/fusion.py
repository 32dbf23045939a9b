"""temporary"""
from dataclasses import dataclass
from uuid import UUID
from rag.domain.passage import LegScore
@dataclass
class FusedHit:
    chunk_id: UUID
    score: float
    legs: dict
def profile_for(language, kind): return 0.3
def fuse(legs, profile):
    hits={}
    for name, l in legs.items():
        for r,h in enumerate(l,1):
            x=hits.setdefault(h.chunk_id, FusedHit(h.chunk_id,0,{}))
            x.score += h.score/(l[0].score or 1)*(1 if name=="dense" or len(legs)==1 else .5); x.legs[name]=LegScore(r,h.score)
    return sorted(hits.values(), key=lambda h:-h.score)
