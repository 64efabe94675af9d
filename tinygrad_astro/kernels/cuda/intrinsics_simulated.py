"""Stand-ins of the intrinsics for the simulator."""
