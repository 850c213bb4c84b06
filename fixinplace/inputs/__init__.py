"""Made inputs, the static half: what names, defaults and uses say about arguments, and how errors mend a guess.

Without torch: values are descriptions that print as Python.  What runs them is `fixinplace.verify.finding`.
"""
