"""Reconstruction of networks of many layers."""
