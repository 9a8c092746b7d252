"""What was meant by what was written: Chinese by its sound, English by its spelling."""
