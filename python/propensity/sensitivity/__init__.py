"""What if something is hidden: how strong it would have to be, by several measures, and placebos."""
