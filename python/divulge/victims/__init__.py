"""Victims: models under study, read from modules and files, lowered to the native network where possible."""

from divulge.victims.victim import Victim

__all__ = ["Victim"]
