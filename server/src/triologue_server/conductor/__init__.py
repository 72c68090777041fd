"""The conductor: one recording in, events out. It cuts, schedules and merges; the cores compute."""
