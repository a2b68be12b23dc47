"""Whether the arms are alike, before and after weighting or matching."""
