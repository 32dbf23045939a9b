"""How good retrieval is, measured on labelled questions: measures, intervals, comparisons, gates, reports."""
