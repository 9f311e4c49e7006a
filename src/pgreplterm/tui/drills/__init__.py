"""The place drills: the drill list, its plan page and the run."""
