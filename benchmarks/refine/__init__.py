"""Speed and accuracy of refinement."""
