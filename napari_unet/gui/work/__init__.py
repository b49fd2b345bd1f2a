"""The verbs at work in the window: jobs of other processes, what they report, and keeping what comes of them."""
