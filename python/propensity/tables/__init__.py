"""Tables that do not fit one machine: counted users, and what asks the engine in which a table lies."""
