"""Telling a lack of memory from other errors of a framework."""

from __future__ import annotations


def lacks_memory(error: BaseException) -> bool:
    """Whether a framework's error says that a batch, or a model, was too large.

    By its words, since torch has several classes for it and the kept graph runs without torch: `CUDA out of memory`,
    `CUBLAS_STATUS_ALLOC_FAILED`, `DefaultCPUAllocator: can't allocate memory`, OpenVINO's `std::bad_alloc`.
    """
    words = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("alloc" in words or "out of memory" in words)
    )
