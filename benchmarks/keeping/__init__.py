"""How much a window is held up while its work is kept."""
