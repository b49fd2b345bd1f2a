"""How soon the preview of a refinement follows a slider."""
