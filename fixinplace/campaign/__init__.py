"""`fixinplace migrate`: a code base, file by file, journaled, in worker processes.

Note [Judged first, written last]
    Every unit is judged against the tree as it was planned; files are written when all have been judged.  So no verdict
    depends on which worker was faster, a campaign that was killed and resumed ends as one that was not, and nobody's
    tree is in a mixed state for the hours that proofs take.  The fixes of different units were not run together.  They
    need not be: what is written is equal to what stood there in everything that other code can see, each for itself;
    where a fix alone does not hold (Note [In company] in `together.py`) its files are one unit.
"""
