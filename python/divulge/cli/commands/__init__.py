"""What can be typed: a function for each command, whose parameters are its options."""
