"""Measure what a model's explanations give away, and whether they can be believed."""

import lazy_loader

# What the stub beside this file imports, loaded when first used: torch alone takes a second.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
