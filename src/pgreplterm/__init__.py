"""pgreplterm: PostgreSQL physical replication, live, down to the WAL, and rehearsed."""

__version__ = "0.1.0"
