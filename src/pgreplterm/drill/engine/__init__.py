"""A run as a process of its own: start it, follow it, tell it to wait, go on or stop; one at a time for each lab."""
