"""Timelines: histories, forks, and what it takes for a node to follow another's line of WAL again."""
