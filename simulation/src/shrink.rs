//! A failing plan, made smaller for as long as the same promise breaks.

use crate::{
    run::live,
    world::{Cuts, Fault, Plan, Promise},
};

/// The smallest cuts found under which this seed still breaks this promise.
pub fn shrink(seed: u64, cuts: &Cuts, promise: Promise) -> Cuts {
    let fails = |cuts: &Cuts| {
        let broken = live(Plan::of(seed).cut(cuts), false).broken;
        broken.is_some_and(|broken| broken.promise == promise)
    };
    let mut best = cuts.clone();
    for fault in Fault::ALL {
        let mut fewer = best.clone();
        let in_plan = Plan::of(seed).cut(&best).strength(fault) > 0;
        if in_plan && fewer.without.insert(fault) && fails(&fewer) {
            best = fewer;
        }
    }
    let plan = Plan::of(seed).cut(&best);
    for requests in 1..plan.requests {
        let fewer = Cuts { requests: Some(requests), ..best.clone() };
        if fails(&fewer) {
            best = fewer;
            break;
        }
    }
    // Shorter by halves, then by eighths.
    let mut seconds = plan.seconds;
    for part in [2, 8] {
        loop {
            let less = seconds - seconds / part;
            let shorter = Cuts { seconds: Some(less), ..best.clone() };
            if less == seconds || !fails(&shorter) {
                break;
            }
            (best, seconds) = (shorter, less);
        }
    }
    best
}
