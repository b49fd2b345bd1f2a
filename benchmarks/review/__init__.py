"""How many slices a person has to correct until the rest is right."""
