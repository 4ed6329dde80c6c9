"""Where a finished copy might be wrong, and whether it is: the tests behind `complete`."""
