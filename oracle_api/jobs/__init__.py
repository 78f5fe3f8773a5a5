"""Work that nobody waits for: jobs out of Postgres, work by the clock, and what runs for ever."""
