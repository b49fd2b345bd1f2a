"""How good slices are that were filled between painted ones."""
