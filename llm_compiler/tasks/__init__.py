"""What a model is asked and how its answers are judged: one file for each task."""
