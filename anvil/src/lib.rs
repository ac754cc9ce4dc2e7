//! A development chain, a deployment on it, and the demonstration.
