"""Several estimators side by side."""
