"""The place overview: topology and lag in one table, their graphs, the verdict and the latest events."""
