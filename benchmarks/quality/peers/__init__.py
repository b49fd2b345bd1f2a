"""Other programs that learn from the same paint: ``python -m benchmarks.quality.peers`` in an environment of theirs.

Nothing here imports this program, and nothing of this program imports what is here.
"""
