"""The docks of the window, one for each verb."""
