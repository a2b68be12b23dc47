"""How calls are answered in words: arguments by their names, warnings that point at the caller."""
