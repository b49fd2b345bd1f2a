"""Round trips of files."""
