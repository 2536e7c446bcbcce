"""The networks of `cpu_engine` on CUDA, with operations that are one kernel each."""
