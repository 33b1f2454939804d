"""Numbers of any set of rows, with their influence functions: one path for every further task.

A task that counts alone cannot carry (survival, weighted cohorts, regions, grades) states each of
its metrics as a :class:`Statistic`; estimates, intervals, comparisons and heterogeneity follow.
"""
