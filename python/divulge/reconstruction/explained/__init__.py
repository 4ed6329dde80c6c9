"""Networks behind explanations: what integrated gradients, and means of gradients, tell beyond values."""
