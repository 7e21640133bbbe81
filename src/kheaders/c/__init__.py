"""C text, read once: top-level pieces, declarations, directives, conditional groups, include lines."""
