"""Figures: one file a concern; each function returns panels, small enough for a phone, that a page lays out."""
