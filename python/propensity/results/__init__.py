"""What all results are: read-only, picklable, with a table for the eye."""
