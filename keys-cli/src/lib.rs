//! The command of the master and the operators.
