"""Properties of whole steps on names, values, gaps and orders of rows that hypothesis makes."""
