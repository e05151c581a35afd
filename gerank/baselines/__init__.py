"""Re-rankers of other families, to compare a generator with; one file each, named by its paper."""
