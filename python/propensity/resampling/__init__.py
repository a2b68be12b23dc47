"""The bootstrap: replicates, and the intervals made of them."""
