"""The binary metrics where rows stand for unequal shares of a population.

Estimates use the weights; the precision is that of Kish's effective sample size, of patients where
they repeat. The causes panel, slices and the mitigation preview describe the cases as they are.
"""
