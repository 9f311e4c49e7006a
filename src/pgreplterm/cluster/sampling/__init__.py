"""One round trip a node and tick: the statements, the exchange, the reading of the answer, and the clock of it all."""
