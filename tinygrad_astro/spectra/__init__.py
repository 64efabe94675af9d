"""Spectra: star, galaxy or quasar, redshifts, and the minerals of asteroids.

`survey` holds spectra and reads them, `lines`, `stars`, `galaxies`, `quasars`, `telescope` and
`simulate` make synthetic ones with known truth, `inputs` and `networks` are what is trained,
`training` trains on synthetic spectra first and on real ones then, `run` does all of it in a
folder; `asteroids` does the same for reflectance spectra.
"""
