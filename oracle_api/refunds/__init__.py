"""Gives money back: asked for by a person, proved by the chain."""
