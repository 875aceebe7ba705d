"""Rows that training eats: examples of the tasks, mixed by stage, packed to the context's length."""
