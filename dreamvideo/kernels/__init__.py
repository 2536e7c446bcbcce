"""Kernels in Triton that do in one pass over memory what PyTorch does in several, for CUDA."""
