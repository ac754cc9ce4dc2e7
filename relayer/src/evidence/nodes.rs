//! The chain's nodes, for sources that ask them: connected to when they are first needed.

use reqwest::Url;
use tokio::sync::OnceCell;

use super::Trouble;
use crate::chain::Endpoints;

/// Some RPCs of one chain.
pub(super) struct Nodes {
    rpcs: Vec<Url>,
    agree: usize,
    chain_id: u64,
    endpoints: OnceCell<Endpoints>,
}

impl Nodes {
    /// RPCs, of which so many have to say the same.
    pub(super) fn new(rpcs: Vec<Url>, agree: usize, chain_id: u64) -> Self {
        Self { rpcs, agree, chain_id, endpoints: OnceCell::new() }
    }

    /// The way to them, once they were found to serve the chain.
    pub(super) async fn endpoints(&self) -> Result<&Endpoints, Trouble> {
        let connect = || async {
            let endpoints = Endpoints::connect(self.rpcs.iter().map(Url::as_str), self.agree).await;
            let endpoints = endpoints.map_err(|error| Trouble::down(error.to_string()))?;
            endpoints.check_chain(self.chain_id).await.map_err(|error| Trouble::down(error.to_string()))?;
            Ok(endpoints)
        };
        self.endpoints.get_or_try_init(connect).await
    }
}
