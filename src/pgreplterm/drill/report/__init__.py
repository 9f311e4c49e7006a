"""What a run is told as: one model, and a module for each form of it."""
