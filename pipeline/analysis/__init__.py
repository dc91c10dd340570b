"""What is made of frozen candidates: scores, statistics, costs and tables.

Import its modules by name: the evaluate step's key follows imports, so a change of a figure must not open test again.
"""
