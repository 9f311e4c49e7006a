"""From a connection string to a server: what psql takes, passwords, and addresses."""
