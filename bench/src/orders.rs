//! Orders, signed before any clock starts.

use std::{ops::Range, sync::Arc, thread};

use alloy::primitives::{Address, Bytes, keccak256};
use eyre::{Result, WrapErr, eyre};
use ring_anvil::{Backend, Order};
use ring_contracts::{RequestId, SignedRequest};

/// What each order pays, in the token's smallest unit.
pub(crate) const AMOUNT: u128 = 1;

/// An order as it is posted.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// The name of its request.
    pub(crate) id: RequestId,
    /// Who is paid; nobody else is paid there.
    pub(crate) to: Address,
    /// The body of the POST.
    pub(crate) body: Bytes,
}

/// Signs the orders with these numbers, on all processors.
///
/// # Errors
/// The key does not sign.
pub(crate) async fn sign(backend: &Backend, numbers: Range<u64>) -> Result<Arc<Vec<Signed>>> {
    let backend = backend.clone();
    let signing = tokio::task::spawn_blocking(move || {
        let posted = |number| {
            let (address, request) = request(&backend, number)?;
            let body = serde_json::to_vec(&request).wrap_err("an order cannot be put down")?;
            Ok(Signed { id: request.request.id, to: address, body: body.into() })
        };
        in_threads(numbers, posted)
    });
    signing.await.wrap_err("signing the orders broke off")?.map(Arc::new)
}

/// The requests of the orders with these numbers, signed on all processors.
///
/// # Errors
/// The key does not sign.
pub(crate) fn requests(backend: &Backend, numbers: Range<u64>) -> Result<Vec<SignedRequest>> {
    in_threads(numbers, |number| request(backend, number).map(|(_, request)| request))
}

fn in_threads<T: Send>(numbers: Range<u64>, make: impl Fn(u64) -> Result<T> + Sync) -> Result<Vec<T>> {
    let numbers: Vec<u64> = numbers.collect();
    let threads = thread::available_parallelism().map_or(1, Into::into);
    let share = numbers.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let make = &make;
        let shares: Vec<_> = numbers
            .chunks(share)
            .map(|numbers| scope.spawn(move || numbers.iter().map(|number| make(*number)).collect::<Vec<_>>()))
            .collect();
        let joined =
            shares.into_iter().map(|share| share.join().map_err(|_| eyre!("a thread that signs orders ended")));
        joined.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()
    })
}

/// Who is paid for an order, and its request.
fn request(backend: &Backend, number: u64) -> Result<(Address, SignedRequest)> {
    let address = Address::from_slice(&keccak256(format!("customer of order {number}"))[12..]);
    let order = Order { number, customer: String::new(), address, cents: 0, amount: AMOUNT };
    Ok((address, backend.request(&order)?))
}
