//! Transactions, in pieces as a Trezor asks for them.

use alloy::{
    consensus::{Transaction as _, TypedTransaction},
    primitives::{Address, TxKind, U256},
};
use trezor_client::{
    TrezorMessage,
    protos::{EthereumSignTx, EthereumSignTxEIP1559, EthereumTxAck, EthereumTxRequest, MessageType},
};

use super::{Trezor, TrezorError};

/// How much of the call data goes with the question.
const FIRST: usize = 1_024;

/// Sets what both kinds have in common.
macro_rules! question {
    ($kind:ident, $trezor:ident, $transaction:ident) => {{
        let mut question = $kind::new();
        let input = $transaction.input();
        question.address_n = $trezor.path.steps().to_vec();
        question.set_nonce(number(U256::from($transaction.nonce())));
        question.set_gas_limit(number(U256::from($transaction.gas_limit())));
        question.set_value(number($transaction.value()));
        question.set_to(receiver($transaction.kind()));
        question.set_data_length(u32::try_from(input.len()).map_err(|_| too_long())?);
        question.set_data_initial_chunk(input[..input.len().min(FIRST)].to_vec());
        question
    }};
}

pub(super) fn sign(trezor: &mut Trezor, transaction: &TypedTransaction) -> Result<(U256, U256), TrezorError> {
    match transaction {
        TypedTransaction::Eip1559(tx) => {
            let mut question = question!(EthereumSignTxEIP1559, trezor, tx);
            question.set_max_gas_fee(number(U256::from(tx.max_fee_per_gas)));
            question.set_max_priority_fee(number(U256::from(tx.max_priority_fee_per_gas)));
            question.set_chain_id(tx.chain_id);
            exchange(trezor, question, &tx.input)
        }
        TypedTransaction::Legacy(tx) => {
            let mut question = question!(EthereumSignTx, trezor, tx);
            question.set_gas_price(number(U256::from(tx.gas_price)));
            question.set_chain_id(tx.chain_id.unwrap_or_default());
            exchange(trezor, question, &tx.input)
        }
        other => Err(TrezorError::Kind(u8::from(other.tx_type()))),
    }
}

/// The device asks for the call data that is left, until it sends the signature.
fn exchange(trezor: &mut Trezor, question: impl TrezorMessage, input: &[u8]) -> Result<(U256, U256), TrezorError> {
    let expected = MessageType::MessageType_EthereumTxRequest;
    let mut rest = &input[input.len().min(FIRST)..];
    let mut answer: EthereumTxRequest = trezor.ask_for(question, expected)?;
    loop {
        if !answer.signature_r().is_empty() {
            let [r, s] = [answer.signature_r(), answer.signature_s()]
                .map(|bytes| (bytes.len() <= 32).then(|| U256::from_be_slice(bytes)));
            return r.zip(s).ok_or_else(|| TrezorError::Answer("a signature that is too long".to_owned()));
        }
        let wanted = answer.data_length() as usize;
        let Some((part, others)) = rest.split_at_checked(wanted).filter(|(part, _)| !part.is_empty()) else {
            return Err(TrezorError::Question(format!("{wanted} bytes more of the call data, of {}", rest.len())));
        };
        rest = others;
        let mut reply = EthereumTxAck::new();
        reply.set_data_chunk(part.to_vec());
        answer = trezor.ask_for(reply, expected)?;
    }
}

/// Big-endian without zeroes in front; zero is nothing.
fn number(number: U256) -> Vec<u8> {
    number.to_be_bytes_trimmed_vec()
}

fn receiver(kind: TxKind) -> String {
    match kind {
        TxKind::Call(to) => Address::to_checksum(&to, None),
        TxKind::Create => String::new(),
    }
}

fn too_long() -> TrezorError {
    TrezorError::Answer("a call that is too long".to_owned())
}
