"""Times to an event by group: Uno's C, and AUC, Brier score and O/E at a declared horizon."""
