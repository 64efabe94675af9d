"""Photometric redshifts: point estimates and probability densities from magnitudes and images.

`catalogue` reads tables, `features` makes network inputs of magnitudes that may be missing or
undetected, `networks` and `losses` hold what is trained, `ensemble` trains and predicts, `pdf`,
`calibration` and `metrics` say what a redshift and its density are worth, `run` does all of it in a
folder.
"""
