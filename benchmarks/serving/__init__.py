"""Servers, load and workload of benchmarks/serving.py."""
