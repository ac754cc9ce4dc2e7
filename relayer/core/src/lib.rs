//! The state machine of a relayer: no clock, randomness, disk, network or threads.
