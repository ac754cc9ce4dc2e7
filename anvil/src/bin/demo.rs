//! `demo`: a chain, a contract, a ring of relayers and many orders, in one command.

fn main() {}
