//! Mistakes that a simulation plants, one at a time, to see that it finds them. Without the feature `planted-bugs` none of
//! this is there, and each place where one could be is the constant `false`.

/// Whether a mistake is planted: `planted!(HaltNotRecorded)`.
#[cfg(feature = "planted-bugs")]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        $crate::is_planted($crate::Bug::$bug)
    };
}

/// Whether a mistake is planted: never, in this build.
#[cfg(not(feature = "planted-bugs"))]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

#[cfg(feature = "planted-bugs")]
mod bugs {
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Which is planted, by its place among [`Bug::ALL`] from 1 on; 0 is none.
    static PLANTED: AtomicU8 = AtomicU8::new(0);

    macro_rules! bugs {
        ($($name:ident: $words:literal,)*) => {
            /// A mistake.
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum Bug {
                $(#[doc = $words] $name,)*
            }

            impl Bug {
                /// All of them.
                pub const ALL: &[Self] = &[$(Self::$name,)*];

                /// What is wrong.
                pub fn words(self) -> &'static str {
                    match self {
                        $(Self::$name => $words,)*
                    }
                }
            }
        };
    }

    bugs! {
        SignBeforeSaving: "signs before the reservation is saved",
        NoSync: "the store does not sync",
        SyncAtCheckpoints: "the store syncs only now and then",
        NoDirectorySync: "names of files are not synced",
        LogNotRewritten: "a restart believes what was never synced",
        TimeoutIsFailure: "what was sent and not seen is given up, and its requests are free",
        RebindBeforeFinality: "requests are free before what used their nonce is final",
        SettledLate: "a final turn that is explained late is settled later still",
        ExpiredIsUnknown: "a turn with another content of what expired here counts as unknown",
        BindingUnchecked: "agrees to a turn with requests of another turn",
        SettledForgotten: "requests that have ended are forgotten",
        ExpiryByHead: "expiry is judged by the newest block, not the final one",
        GuardWithoutEpoch: "what is reserved is kept without its epoch",
        ReservationsForgotten: "reservations are forgotten by a restart",
        JoinedBeforeFinality: "takes part from a turn on that is not final",
        SucceededTooSoon: "goes on in an announced epoch that is not final",
        HaltNotRecorded: "a halt is not recorded",
        UnknownTurnAccepted: "an unknown turn is accepted",
        EquivocationIgnored: "two contents signed by one key are ignored",
        VoidIsContent: "the void counts as a content",
        CancelledTooSoon: "a request is called cancelled while other seats may still sign it",
        WithheldWhileBound: "a seat says that it withholds what a turn of it still carries",
        CancellationForgotten: "cancellations are forgotten by a restart",
        CallsUnchecked: "calls are not compared with what clients asked for",
    }

    /// Plants a mistake, instead of the one before, in the whole process.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(0, |bug| bug as u8 + 1), Ordering::SeqCst);
    }

    /// Whether it is this one.
    pub fn is_planted(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u8 + 1
    }
}

#[cfg(feature = "planted-bugs")]
pub use bugs::{Bug, is_planted, plant};
