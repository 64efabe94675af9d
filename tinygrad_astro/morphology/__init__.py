"""Morphology: what kind of galaxy, as volunteers would say it; rings in real cut-outs.

`stamps` simulates objects of five types with the votes on them, `drawn` galaxies with rings, bars
and arms as survey viewers show them, `rings` reads real ones; `networks`, `orbit`, `training` and
`transfer` make and train small networks; `curves` judges probabilities, `figure` and `ring_figure`
draw, `run` and `ring_run` do all of it in a folder.
"""
