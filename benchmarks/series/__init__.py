"""How long a CT series of 300 slices takes to open."""
