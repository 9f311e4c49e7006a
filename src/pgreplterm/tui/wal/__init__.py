"""The place wal: segments, records and the bytes of one record."""
