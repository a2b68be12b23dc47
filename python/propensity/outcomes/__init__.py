"""Effects by models of the outcome, alone or together with a score."""
