//! The incidents. What is said of them is what is commonly reported; what comes of them here comes out of the replays.

use super::{Attack, Incident, PlainAttack, Replay};
use crate::world::Stage;

/// All incidents, oldest first.
pub fn all() -> Vec<Incident> {
    vec![ronin(), harmony(), stake(), orbit(), wazirx(), radiant(), bybit(), resolv(), kelp()]
}

/// A ring in which so many in a row have to sign.
fn ring(seats: usize, window: u8) -> Stage {
    Stage { seats, window, ..Stage::default() }
}

/// With the keys of these seats stolen; their machines go on.
fn stolen(stage: Stage, seats: impl IntoIterator<Item = usize>) -> Stage {
    Stage { stolen: seats.into_iter().collect(), ..stage }
}

/// With these seats in the thief's hands, machines and all.
fn taken(stage: Stage, seats: impl IntoIterator<Item = usize>) -> Stage {
    Stage { taken: true, ..stolen(stage, seats) }
}

/// Where each seat's own sources confirm what it signs, but for these seats, whose sources the thief has.
fn deceived(stage: Stage, seats: impl IntoIterator<Item = usize>) -> Stage {
    Stage { evidence: true, deceived: seats.into_iter().collect(), ..stage }
}

fn held(thief: &'static str, stage: Stage, attack: Attack) -> Replay {
    Replay { thief, stage, attack, is_beyond: false }
}

fn beyond(thief: &'static str, stage: Stage, attack: Attack) -> Replay {
    Replay { is_beyond: true, ..held(thief, stage, attack) }
}

fn ronin() -> Incident {
    let ring = ring(9, 5);
    Incident {
        name: "Ronin",
        when: "March 2022",
        loss: "some $620 million",
        source: "Sky Mavis",
        story: "Five of the bridge's nine validators had to sign a withdrawal. Four were run by one company; the thief got \
                into it, and from there could have a fifth sign, by a permission that had been given for a while and never \
                taken back. Nobody noticed for six days.",
        plain: (5, 9, PlainAttack::Payment),
        replays: vec![
            held("five keys, no five in a row", stolen(ring.clone(), [0, 2, 4, 6, 8]), Attack::Keys),
            held("five keys in a row", stolen(ring.clone(), 2..7), Attack::Keys),
            beyond("all nine seats, at one operator", taken(ring, 0..9), Attack::Keys),
        ],
        rule: "Which keys are stolen counts, not only how many: a turn needs five in a row. Where they are, one turn is lost, \
               within the cap: every seat sees a turn that it did not agree to, and a seat whose own key is in it halts the ring \
               at once.",
        limit: "A ring whose seats are all at one operator is one key. The thief takes the cap of each period until the master \
                comes. Four seats of nine at one operator are too many, too: with a fifth in the right place they are a window.",
    }
}

fn harmony() -> Incident {
    let ring = ring(5, 2);
    Incident {
        name: "Harmony",
        when: "June 2022",
        loss: "some $100 million",
        source: "Harmony",
        story: "Two of the five owners of the bridge's wallet could pay out anything. The thief got the keys of two.",
        plain: (2, 5, PlainAttack::Payment),
        replays: vec![
            held("two keys, not side by side", stolen(ring.clone(), [1, 3]), Attack::Keys),
            held("two keys side by side", stolen(ring.clone(), [1, 2]), Attack::Keys),
            beyond("all five seats, at one operator", taken(ring, 0..5), Attack::Keys),
        ],
        rule: "Two keys sign together only where they are side by side, and then once in a round: the next turn needs a key \
               that the thief does not have, and its seat has halted.",
        limit: "A window of two is a small one: any neighbour of a stolen key makes a turn with it. And all keys on machines \
                of one operator are one key.",
    }
}

fn stake() -> Incident {
    let ring = ring(5, 3);
    Incident {
        name: "Stake",
        when: "September 2023",
        loss: "some $41 million",
        source: "Stake's founder, to DL News; FBI",
        story: "No key was stolen. The thief got into the service that asks for transactions to be signed, and the signers \
                signed what it asked for. How many signatures its wallets took is not known; three of five here.",
        plain: (3, 5, PlainAttack::Payment),
        replays: vec![
            held(
                "the clients' key, where each seat has sources of its own",
                deceived(ring.clone(), []),
                Attack::ForgedRequests,
            ),
            held(
                "the clients' key, where the seats believe it but limit what it may ask for",
                Stage { limited: true, ..deceived(ring.clone(), 0..5) },
                Attack::ForgedRequests,
            ),
            beyond("the clients' key, where the seats believe it alone", ring, Attack::ForgedRequests),
        ],
        rule: "A request's signature is not enough where a seat has sources of its own: they know nothing of the payment, and \
               no seat signs it. Where seats have none but limit the clients' key (`[[requester]]`), it is worth the limit of \
               each hour.",
        limit: "Seats without sources believe whoever has the clients' key. Nothing looks wrong to them, so none of them \
                halts: the thief takes the cap of each period until a person sees it.",
    }
}

fn orbit() -> Incident {
    let ring = ring(10, 7);
    Incident {
        name: "Orbit",
        when: "December 2023",
        loss: "some $81 million",
        source: "Beosin, Blockworks",
        story: "Seven of ten signers had to agree to a withdrawal, and the thief had the keys of seven.",
        plain: (7, 10, PlainAttack::Payment),
        replays: vec![
            held("seven keys, no seven in a row", stolen(ring.clone(), [0, 1, 2, 4, 5, 7, 8]), Attack::Keys),
            held("seven keys in a row", stolen(ring.clone(), 3..10), Attack::Keys),
            beyond("all ten seats, at one operator", taken(ring, 0..10), Attack::Keys),
        ],
        rule: "Seven keys of ten with a gap among them are nothing: no window is complete. Seven in a row are one turn, \
               within the cap.",
        limit: "Seven keys that are kept alike are lost alike: the eighth, ninth and tenth are then no harder to get.",
    }
}

fn wazirx() -> Incident {
    let ring = ring(6, 4);
    Incident {
        name: "WazirX",
        when: "July 2024",
        loss: "some $235 million",
        source: "WazirX",
        story: "Four of six had to sign. They saw a transfer in their custodian's interface and signed another thing: a change \
                of the wallet's code, after which the wallet was the thief's.",
        plain: (4, 6, PlainAttack::DelegateCall),
        replays: vec![
            held(
                "the machine of one seat, which shows the others another payload",
                taken(ring.clone(), [0]),
                Attack::SwappedPayload,
            ),
            held("a whole window that signs foreign code unread", stolen(ring.clone(), 0..4), Attack::ForeignCode),
            held("a whole window that signs a payment unread", stolen(ring, 0..4), Attack::Keys),
        ],
        rule: "A seat is a program. It signs a turn when it holds the signed request of each of its calls, whatever is shown to \
               anybody; and the contract has no delegatecall, no upgrade, and makes no call that the master did not permit.",
        limit: "Signers that sign unread are stolen keys: a window of them pays the thief what is left of the cap, once. And a \
                machine that is taken can have the ring stand still at its turns, until the master replaces its key.",
    }
}

fn radiant() -> Incident {
    let ring = ring(11, 3);
    Incident {
        name: "Radiant",
        when: "October 2024",
        loss: "some $50 million",
        source: "Radiant Capital",
        story: "Three of eleven had to sign. On the machines of three developers the payload was exchanged between the screen \
                and the hardware wallet, and what they signed gave the lending pools to the thief.",
        plain: (3, 11, PlainAttack::Payment),
        replays: vec![
            held(
                "the machine of one seat, which exchanges the payload",
                taken(ring.clone(), [0]),
                Attack::SwappedPayload,
            ),
            held("three machines, no three in a row", taken(ring.clone(), [0, 4, 8]), Attack::Keys),
            held("three machines in a row, for foreign code", taken(ring.clone(), 0..3), Attack::ForeignCode),
            held("three machines in a row, for a payment", taken(ring, 0..3), Attack::Keys),
        ],
        rule: "Each seat of the window recomputes what it signs from the request itself: a payload that was exchanged on one \
               machine is refused on the next. What would give the pools away was permitted to no ring.",
        limit: "Three of eleven is a small window, as it was a small quorum: three machines in a row are a turn. Where the machines \
                are taken with the keys, the others have to find out: they ask their peers to explain the turn before they halt.",
    }
}

fn bybit() -> Incident {
    let ring = ring(6, 3);
    Incident {
        name: "Bybit",
        when: "February 2025",
        loss: "some $1.46 billion",
        source: "Bybit; Hex Trust on three of six",
        story: "Three of six had to sign. The web interface of their wallet had been changed: it showed a transfer to their own \
                hot wallet, and had them sign a delegatecall that put the thief's code in the place of the wallet's.",
        plain: (3, 6, PlainAttack::DelegateCall),
        replays: vec![
            held(
                "one seat's machine, which shows the others another payload",
                taken(ring.clone(), [0]),
                Attack::SwappedPayload,
            ),
            held("a whole window that signs foreign code unread", stolen(ring.clone(), 0..3), Attack::ForeignCode),
            held("a whole window that signs a payment unread", stolen(ring.clone(), 0..3), Attack::Keys),
            beyond("the master, who signs a payment unread", ring, Attack::DeceivedMaster),
        ],
        rule: "There is no delegatecall to be talked into, and no call but those permitted; a payment is bounded by the cap.",
        limit: "Bybit's was a cold wallet, and the ring's cold wallet is its master. A master that signs what it is shown pays \
                everything, once. It has to read what `ring-keys` decodes on the offline machine, and is better a Safe behind \
                a timelock than one person.",
    }
}

fn resolv() -> Incident {
    Incident {
        name: "Resolv",
        when: "March 2026",
        loss: "some $25 million",
        source: "Chainalysis, Forensic Capital",
        story: "One key in a cloud's key service decided how many stablecoins were minted for a deposit. Nothing capped it. The \
                thief had the service sign, and minted 80 million. To pause took four signatures of four, and the thief was at \
                it for more than an hour.",
        plain: (1, 1, PlainAttack::Payment),
        replays: vec![
            held("the key of one seat of five", stolen(ring(5, 3), [2]), Attack::Keys),
            beyond("the only key of a ring of one", taken(ring(1, 1), [0]), Attack::Keys),
        ],
        rule: "No key signs alone, wherever it is. And the contract has a cap, so that even one that does takes no more in a \
               period; a seat needs nobody's leave to halt.",
        limit: "A ring of one, or of seats that are all in one cloud account, is that one key again, with a cap: the thief \
                takes it in each period until the master comes.",
    }
}

fn kelp() -> Incident {
    let ring = ring(5, 3);
    Incident {
        name: "KelpDAO",
        when: "April 2026",
        loss: "some $292 million",
        source: "LayerZero",
        story: "The bridge released tokens when one verifier confirmed that as many had been burnt on the other chain. The thief \
                exchanged the programs of two of the nodes that the verifier asked and kept it from reaching the others; it \
                confirmed what had never happened. No key was stolen.",
        plain: (1, 1, PlainAttack::Payment),
        replays: vec![
            held("the RPC of one seat of five", deceived(ring.clone(), [0]), Attack::ForgedRequests),
            held(
                "the RPCs of three seats, no three in a row",
                deceived(ring.clone(), [0, 1, 3]),
                Attack::ForgedRequests,
            ),
            beyond("the RPCs of three seats in a row", deceived(ring.clone(), 0..3), Attack::ForgedRequests),
            beyond("the one RPC of all seats", deceived(ring, 0..5), Attack::ForgedRequests),
        ],
        rule: "Each seat asks its own nodes. What only some of them have seen finds no window that signs it.",
        limit: "If every seat believes one input, they are one seat. What they sign is genuine to all of them, none halts, and \
                the thief takes the cap of each period until a person sees it. It is hardly better where the sources of one \
                whole window say the same wrong thing: the other seats refuse to sign it and raise an alarm when it is executed, \
                but do not halt for what others signed, since a client did ask for it and their own source may be wrong.",
    }
}
