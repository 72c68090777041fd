"""Batch sizes, instances, workers and threads for the machine at hand, found by measuring."""
