"""How soon a network that learns while one paints shows what it learned, and whether the brush notices."""
