"""Deblending: a U-Net shares the light of each pixel out between a source and its neighbours.

`pairs` puts simulated galaxies on top of each other, `inputs` turns a blend into what the network
sees, `losses` says what good shares are, `sharing` holds the network and gives shares and fluxes,
`training` makes it, `apertures` measures the same pairs with sep, `blend` reads a real one, `run`
does all of it in a folder.
"""
