"""Clips: reading them, following their faces, and what the models make of each face over time."""
