"""What is made of frozen candidates: scores, intervals, comparisons, costs, tables, figures and the report.

Import its modules by name: the evaluate step's key follows imports, so a change of a figure must not open test again.
"""
