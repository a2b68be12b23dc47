"""What reads a table: columns in, arrays and names out, whatever the library of the table."""
