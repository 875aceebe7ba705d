"""Pass lists that are worth trying."""
