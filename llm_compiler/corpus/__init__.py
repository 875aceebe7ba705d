"""Source code into clean, deduplicated, unoptimised units."""
