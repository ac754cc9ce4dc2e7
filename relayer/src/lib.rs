//! One seat of a ring: configuration, driver, HTTP, peers, chain, store and signer around `ring-core`.
