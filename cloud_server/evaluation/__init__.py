"""What the whole system is worth: figures, tables and pictures from committed predictions."""
