"""How live the window stays."""
