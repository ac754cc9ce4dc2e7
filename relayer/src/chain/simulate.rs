//! Trying out what calls would do, with the RPCs that have to agree.

use alloy::{
    eips::BlockId,
    primitives::{Address, U256},
    rpc::types::simulate::{SimBlock, SimCallResult, SimulatePayload},
};
use futures::future::join_all;

use super::{
    connection::Endpoints,
    fault::{CODE_NO_METHOD, Fault},
    quorum,
    rpc::{Header, Rpc},
};

/// What became of calls that were tried out.
#[derive(Clone, Debug)]
pub enum Tried {
    /// What each of them did.
    Done(Vec<SimCallResult>),
    /// The caller has not as much of the native coin as they send.
    Short {
        /// What it has, in wei.
        balance: U256,
    },
}

/// Why calls cannot be tried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryError {
    /// An RPC, without which there are too few, does not know how.
    #[error("{rpc} does not know eth_simulateV1: use a node that does (geth from 1.14.9 on, for instance)")]
    NoMethod {
        /// Which RPC.
        rpc: String,
    },
    /// Too few RPCs answered.
    #[error("{0}")]
    NoAnswer(String),
}

impl Endpoints {
    /// What these calls of `from` would do, one after the other in a block after a recent one that enough RPCs have: what
    /// each RPC says, by its name. They send `value` wei together.
    ///
    /// # Errors
    /// `NoMethod`, `NoAnswer`.
    pub async fn try_out(&self, from: Address, value: U256, calls: SimBlock) -> Result<Vec<(String, Tried)>, TryError> {
        let head = quorum::recent(self).await.map_err(|fault| TryError::NoAnswer(fault.to_string()))?;
        let payload = SimulatePayload::default().extend(calls).with_trace_transfers();
        let (head, members) = head;
        let asked = members.into_iter().map(async |place| {
            let endpoint = &self.all()[place];
            (endpoint.name().to_owned(), try_over(endpoint.rpc(), head, from, value, &payload).await)
        });
        let (mut tried, mut faults) = (Vec::new(), Vec::new());
        for (rpc, answer) in join_all(asked).await {
            match answer {
                Ok(answer) => tried.push((rpc, answer)),
                Err(fault) => faults.push((rpc, fault)),
            }
        }
        if tried.len() >= self.agree() {
            return Ok(tried);
        }
        let lacks = faults.iter().find(|(_, fault)| matches!(fault, Fault::Refused { code: CODE_NO_METHOD, .. }));
        if let Some((rpc, _)) = lacks {
            return Err(TryError::NoMethod { rpc: rpc.clone() });
        }
        let faults: Vec<String> = faults.iter().map(|(rpc, fault)| format!("{rpc}: {fault}")).collect();
        Err(TryError::NoAnswer(faults.join("; ")))
    }
}

async fn try_over(
    rpc: &Rpc,
    head: Header,
    from: Address,
    value: U256,
    payload: &SimulatePayload,
) -> Result<Tried, Fault> {
    if !value.is_zero() {
        // Nodes have different ways of saying so.
        let balance = rpc.balance_at(from, head.hash).await?;
        if balance < value {
            return Ok(Tried::Short { balance });
        }
    }
    rpc.simulate(payload, BlockId::hash(head.hash)).await.map(Tried::Done)
}
