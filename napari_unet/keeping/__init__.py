"""What outlives the window: its journal, projects, and where a mask comes from."""
