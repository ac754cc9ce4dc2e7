use alloy::{
    primitives::Bytes,
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol_types::SolCall as _,
};
use ring_contracts::{IERC20, Request, TurnId};

use super::*;

const DOMAIN: Domain = Domain { chain_id: 1, contract: Address::repeat_byte(1) };
const TOKEN: Address = Address::repeat_byte(0xaa);
const OTHER_TOKEN: Address = Address::repeat_byte(0xab);
const PAYEE: Address = Address::repeat_byte(0xb0);
/// The selector of ERC-20's `approve(address,uint256)`.
const APPROVE: [u8; 4] = [0x09, 0x5e, 0xa7, 0xb3];
const SHOP: Address = Address::repeat_byte(0xc0);

fn key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[number; 32]).unwrap()
}

fn policy() -> Policy {
    let spend =
        Spend { max_amount: Some(U256::from(100)), per_day: Some(U256::from(1_000)), recipients: [PAYEE].into() };
    Policy {
        main_asset: TOKEN,
        requesters: [key(1).address()].into(),
        spend: [(TOKEN, spend), (Address::ZERO, Spend::default())].into(),
        calls: [(SHOP, FixedBytes([1, 2, 3, 4]))].into(),
        refill: Some((Refill { amount: 5, period: 60 }, [key(2).address()].into())),
        max_fee: U256::from(10),
    }
}

fn request(target: Address, value: u128, data: Bytes) -> Request {
    Request { id: RequestId::repeat_byte(9), ring: 7, target, value, data, gas: 50_000, expiry: 500 }
}

fn transfer(token: Address, to: Address, amount: u64) -> Request {
    request(token, 0, IERC20::transferCall { to, value: U256::from(amount) }.abi_encode().into())
}

fn signed(key: &PrivateKeySigner, request: Request) -> SignedRequest {
    let signature = key.sign_hash_sync(&request.digest(&DOMAIN)).unwrap();
    SignedRequest { request, signature: signature.as_bytes().into() }
}

fn turn(requests: &[&Request]) -> Turn {
    let id = TurnId { ring: 7, epoch: 1, nonce: 2, valid_until: 500 };
    Turn::new(id, requests.iter().map(|request| request.to_call(TOKEN)).collect()).unwrap()
}

fn check(policy: &Policy, request: Request) -> Result<Vec<Spending>, Forbidden> {
    policy.check_turn(&DOMAIN, &turn(&[&request]), &[signed(&key(1), request.clone())])
}

#[test]
fn what_is_named_may_be_signed_and_what_it_spends_is_summed() {
    let spends = |asset, amount: u64, cap: Option<u64>| {
        vec![Spending { asset, amount: U256::from(amount), cap: cap.map(U256::from) }]
    };
    assert_eq!(check(&policy(), transfer(TOKEN, PAYEE, 100)), Ok(spends(TOKEN, 100, Some(1_000))));
    assert_eq!(check(&policy(), request(PAYEE, 7, Bytes::new())), Ok(spends(Address::ZERO, 7, None)));
    assert_eq!(check(&policy(), request(SHOP, 0, vec![1, 2, 3, 4, 5].into())), Ok(vec![]));
    assert_eq!(check(&policy(), request(SHOP, 3, vec![1, 2, 3, 4].into())), Ok(spends(Address::ZERO, 3, None)));
    let [one, two] = [1, 2].map(|id| Request { id: RequestId::repeat_byte(id), ..transfer(TOKEN, PAYEE, 90) });
    let both = [one.clone(), two.clone()].map(|request| signed(&key(1), request));
    assert_eq!(policy().check_turn(&DOMAIN, &turn(&[&one, &two]), &both), Ok(spends(TOKEN, 180, Some(1_000))));
}

#[test]
fn what_is_not_named_may_not() {
    let refused = |request| check(&policy(), request).unwrap_err();
    let asset = |asset| Forbidden::Asset { index: 0, asset };
    assert_eq!(refused(transfer(OTHER_TOKEN, PAYEE, 1)), asset(OTHER_TOKEN));
    let no_coin = Policy { spend: BTreeMap::new(), ..policy() };
    for request in [request(PAYEE, 7, Bytes::new()), request(SHOP, 3, vec![1, 2, 3, 4].into())] {
        assert_eq!(check(&no_coin, request), Err(asset(Address::ZERO)));
    }
    let (amount, most) = (U256::from(101), U256::from(100));
    assert_eq!(refused(transfer(TOKEN, PAYEE, 101)), Forbidden::Amount { index: 0, asset: TOKEN, amount, most });
    assert_eq!(refused(transfer(TOKEN, SHOP, 1)), Forbidden::Recipient { index: 0, asset: TOKEN, recipient: SHOP });
    for data in [&[1, 2, 3, 5][..], &[1, 2, 3], &APPROVE] {
        assert!(matches!(refused(request(SHOP, 0, data.to_vec().into())), Forbidden::Call { target: SHOP, .. }));
    }
    // A transfer with something behind it, or with dirty bits, is no transfer.
    let mut odd = transfer(TOKEN, PAYEE, 1);
    odd.data = [&odd.data[..], &[0]].concat().into();
    assert!(matches!(refused(odd), Forbidden::Call { target: TOKEN, .. }));
}

#[test]
fn each_call_has_to_be_what_somebody_asked_for_who_may() {
    let policy = policy();
    let wanted = transfer(TOKEN, PAYEE, 50);
    let right = signed(&key(1), wanted.clone());
    let turn = turn(&[&wanted]);
    assert!(policy.check_turn(&DOMAIN, &turn, std::slice::from_ref(&right)).is_ok());
    assert!(Policy { requesters: BTreeSet::new(), ..policy.clone() }.check_turn(&DOMAIN, &turn, &[]).is_ok());

    let changed = |change: fn(&mut Request)| {
        let mut request = wanted.clone();
        change(&mut request);
        vec![signed(&key(1), request)]
    };
    for requests in [
        vec![],
        changed(|request| request.id = RequestId::ZERO),
        changed(|request| request.ring = 8),
        changed(|request| request.expiry = 499),
        changed(|request| request.gas += 1),
        changed(|request| request.data = transfer(TOKEN, PAYEE, 49).data),
    ] {
        let refused = policy.check_turn(&DOMAIN, &turn, &requests).unwrap_err();
        assert!(matches!(refused, Forbidden::NoRequest { index: 0, .. }), "{refused}");
    }
    let later = changed(|request| request.expiry = 501);
    assert!(policy.check_turn(&DOMAIN, &turn, &later).is_ok());
    for forged in [signed(&key(3), wanted.clone()), SignedRequest { signature: FixedBytes::ZERO, ..right.clone() }] {
        let refused = policy.check_turn(&DOMAIN, &turn, &[forged]).unwrap_err();
        assert!(matches!(refused, Forbidden::Requester { .. }), "{refused}");
    }
    let elsewhere = Domain { chain_id: 2, ..DOMAIN };
    assert!(
        policy.check_turn(&elsewhere, &turn, std::slice::from_ref(&right)).is_err(),
        "a signature for another chain"
    );
    let twice = self::turn(&[&wanted, &wanted]);
    assert!(matches!(policy.check_turn(&DOMAIN, &twice, &[right]), Err(Forbidden::Doubled { index: 1, .. })));
}

#[test]
fn a_seat_is_refilled_by_its_own_word_and_just_as_agreed() {
    let policy = policy();
    let (refill, _) = policy.refill.clone().unwrap();
    let request = refill.request(&DOMAIN, 7, key(2).address(), 480);
    let check =
        |by: u8, request: &Request| policy.check_turn(&DOMAIN, &turn(&[request]), &[signed(&key(by), request.clone())]);
    assert!(check(2, &request).is_ok());
    assert!(matches!(check(3, &request), Err(Forbidden::Requester { .. })));
    let more = Request { value: 6, ..request.clone() };
    assert!(matches!(check(2, &more), Err(Forbidden::Requester { .. })));
    let stranger = refill.request(&DOMAIN, 7, key(3).address(), 480);
    assert!(matches!(check(3, &stranger), Err(Forbidden::Requester { .. })), "an account that is no seat's");
}

#[test]
fn a_transaction_costs_no_more_than_is_allowed() {
    assert_eq!(policy().check_fee(10), Ok(()));
    assert!(matches!(policy().check_fee(11), Err(Forbidden::Fee { cost: 11, .. })));
}
