"""Whether the arms can be compared at all, and rows dropped where they cannot."""
