"""The version matrix: real servers of every supported major write WAL, and we read it as their own pg_waldump does."""
