"""What a person makes of a predicted mask: corrections, where to look next, when to stop, which model is better."""
