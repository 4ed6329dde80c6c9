"""Networks of convolutions, from the first jumps of a saliency map to the last layer."""
