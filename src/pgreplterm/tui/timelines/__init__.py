"""The place timelines: lanes and fork points from history files."""
