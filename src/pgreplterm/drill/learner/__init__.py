"""What one person has done of the course: a log that only grows, and what follows from it."""
