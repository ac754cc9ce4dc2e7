//! The tests of the state machine. [`world`] holds a whole ring in one thread: its seats and their disks, the network, the
//! signers, the clients, the master, a thief, and a plain model of the chain. [`sweep`] runs it under seeded faults; the
//! other modules show the rules one by one.

mod sweep;
mod world;
