"""Training: one loop for all four stages, on one process or many."""
