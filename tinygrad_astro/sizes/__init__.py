"""Sizes and bulges of galaxies, with errors: a network beside profile fitting.

`sky` draws galaxies of a bulge and a disc behind point-spread functions of all kinds, `quantities`
says what is measured, `networks`, `draws` and `training` learn it from images and PSFs, `measurer`
gives densities for new images, `fitting` fits profiles by least squares, `metrics` compares both
with the truth, `survey` reads real cut-outs, `run` does all of it in a folder.
"""
