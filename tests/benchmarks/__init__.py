"""The zoo measured beside its references; `python -m tests.benchmarks --help` says how."""
