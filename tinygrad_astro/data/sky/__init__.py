"""The parts of the synthetic sky: light profiles, colours, galaxies, camera, stamps, votes."""
