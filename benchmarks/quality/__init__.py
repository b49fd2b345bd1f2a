"""How good masks get from little paint in little time, on a real scan."""
