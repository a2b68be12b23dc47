"""An effect: the rows it is of, its arms, its scale, its error and its cautions."""
