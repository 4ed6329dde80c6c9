"""First layers wider than their input: units of the next layer are followed along their bent hyperplanes."""
