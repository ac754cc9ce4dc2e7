//! The measures.

pub(crate) mod backlog;
pub(crate) mod events;
pub(crate) mod halt;
pub(crate) mod history;
pub(crate) mod idle_order;
pub(crate) mod seats;
pub(crate) mod throughput;
