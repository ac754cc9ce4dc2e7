//! `ring-keys`: the command of the master and the operators.

fn main() {}
