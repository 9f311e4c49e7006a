"""What only the WAL itself can say of a cluster: commits at risk, why replay is behind, what nobody else has."""
